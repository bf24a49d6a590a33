"""Every stored point of one run as a CSV or Parquet file: metric, layer, index, step, t, value.

NAME is a metric (`loss/train`), a metric of one layer (`router/load@blocks.0.moe`) or a family (`router`);
without a NAME all are written.  The same run twice gives the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.commands._answer import ANSWERED, BAD_USAGE, FAILED, NOT_FOUND, Refusal, tell
from engine.commands._index import check_run, index


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="RUN")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", required=True, metavar="FILE", help="a name that ends in .csv or .parquet")


def run(args: argparse.Namespace) -> int:
    from engine.index.export import FORMATS, write

    path = Path(args.out)
    form = path.suffix.removeprefix(".")
    if form not in FORMATS:
        raise Refusal(BAD_USAGE, f"--out {args.out} has no format; give a file name that ends in .csv or .parquet.")
    check_run(args.id)
    with index() as owner:
        try:
            frame = owner.store.frame(args.id, args.names or None)
        except KeyError as error:
            raise Refusal(NOT_FOUND, error.args[0]) from None
    try:
        rows = write(frame, path, form)
    except OSError as error:
        raise Refusal(FAILED, str(error)) from None
    tell(args.json, {"run": args.id, "file": str(path), "rows": rows}, [f"{rows} points of {args.id} in {path}"])
    return ANSWERED
