"""Delete runs that have ended, with everything they wrote; asks first unless --yes or --json is given."""

from __future__ import annotations

import argparse
import sys

from engine.commands._answer import ANSWERED, BAD_USAGE, Refusal, tell
from engine.commands.logs import existing
from engine.scheduler.control import Refused, delete


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="RUN")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    folders = [existing(run) for run in dict.fromkeys(args.ids)]
    if not args.yes and not args.json:
        sys.stderr.write(f"Delete {', '.join(f.run for f in folders)} for ever? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Refusal(BAD_USAGE, "Nothing was deleted.")
    told = []
    for folder in folders:
        try:
            delete(folder)
        except Refused as refused:
            raise Refusal(BAD_USAGE, str(refused)) from None
        told.append({"run": folder.run, "status": "deleted"})
    tell(args.json, {"runs": told}, [f"{t['run']}: deleted" for t in told])
    return ANSWERED
