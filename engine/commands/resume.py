"""Let a held run go on, or begin a new attempt of one that was stopped, diverged, failed, killed or lost.

The new attempt starts at the last checkpoint.  Without a supervisor on duty this command starts it and leaves.
"""

from __future__ import annotations

import argparse

from engine.commands._answer import ANSWERED, BAD_USAGE, Refusal, tell
from engine.commands.logs import existing
from engine.commands.run import detach
from engine.scheduler.control import Refused, resume


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="RUN")


def run(args: argparse.Namespace) -> int:
    told = []
    for folder in [existing(run) for run in dict.fromkeys(args.ids)]:
        try:
            if resume(folder) == "queued":
                detach(folder)
        except Refused as refused:
            raise Refusal(BAD_USAGE, str(refused)) from None
        told.append({"run": folder.run, "status": folder.status()})
    tell(args.json, {"runs": told}, [f"{t['run']}: {t['status']}" for t in told])
    return ANSWERED
