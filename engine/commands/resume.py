"""Let a held run go on, or begin a new attempt of one that was stopped, diverged, failed, killed or lost.

Of a sweep, paused runs go on as well, failed, killed and lost ones are tried again, and runs that are missing are made.
The new attempt starts at the last checkpoint.  Without a supervisor on duty this command starts it and leaves.
"""

from __future__ import annotations

import argparse
import sys

from engine.commands._answer import ANSWERED, BAD_USAGE, Refusal, tell
from engine.commands._sweeps import sweep_named, work_on_the_queue
from engine.commands.logs import existing
from engine.commands.run import detach
from engine.core.paths import data_folder
from engine.runs.folder import RunFolder
from engine.runs.sweep_file import Sweep
from engine.scheduler import sweep_control
from engine.scheduler.control import Refused, resume


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="RUN|SWEEP")


def run(args: argparse.Namespace) -> int:
    told = []
    for one in [sweep_named(one) or existing(one) for one in dict.fromkeys(args.ids)]:
        try:
            folders = _sweep(one) if isinstance(one, Sweep) else [one]
            if not isinstance(one, Sweep) and resume(one) == "queued":
                detach(one)
        except Refused as refused:
            raise Refusal(BAD_USAGE, str(refused)) from None
        told += [{"run": folder.run, "status": folder.status()} for folder in folders]
    tell(args.json, {"runs": told}, [f"{t['run']}: {t['status']}" for t in told])
    return ANSWERED


def _sweep(sweep: Sweep) -> list[RunFolder]:
    """Every run of it; those that cannot go on are told on stderr."""
    folders, against = sweep_control.resume(data_folder(), sweep)
    for sentence in against:
        sys.stderr.write(f"{sentence}\n")
    if any(folder.status() == "queued" for folder in folders):
        work_on_the_queue()
    return folders
