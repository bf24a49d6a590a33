"""Hold a run: it waits between two steps and keeps its process, memory and slot, until `resume`."""

from __future__ import annotations

import argparse

from engine.commands._answer import ANSWERED, BAD_USAGE, Refusal, tell
from engine.commands.logs import existing
from engine.scheduler.control import Refused, hold


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="RUN")


def run(args: argparse.Namespace) -> int:
    folders = [existing(run) for run in dict.fromkeys(args.ids)]
    try:
        told = [{"run": f.run, "status": hold(f)} for f in folders]
    except Refused as refused:
        raise Refusal(BAD_USAGE, str(refused)) from None
    tell(args.json, {"runs": told}, [f"{t['run']}: {t['status']}" for t in told])
    return ANSWERED
