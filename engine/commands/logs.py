"""The output of one run's worker."""

from __future__ import annotations

import argparse

from engine.commands._answer import ANSWERED, NOT_FOUND, Refusal, tell
from engine.core.paths import data_folder
from engine.runs.folder import RunFolder, run_folder


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="RUN")
    parser.add_argument("--last", type=int, metavar="N", help="only the last N lines")


def run(args: argparse.Namespace) -> int:
    folder = existing(args.id)
    lines = folder.log(args.last)
    tell(args.json, {"run": folder.run, "lines": lines}, lines)
    return ANSWERED


def existing(run: str) -> RunFolder:
    """The folder of a run, or a refusal that says it does not exist."""
    try:
        return run_folder(data_folder(), run)
    except KeyError as error:
        raise Refusal(NOT_FOUND, error.args[0]) from None
