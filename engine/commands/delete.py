"""Delete runs that have ended, with everything they wrote; asks first unless --yes or --json is given.

Of a sweep only its list is deleted, unless --runs is given: then also the runs that it made and that no other sweep counts as its own.
"""

from __future__ import annotations

import argparse
import sys

from engine.commands._answer import ANSWERED, BAD_USAGE, NOT_FOUND, Refusal, tell
from engine.commands.logs import existing
from engine.core.paths import data_folder
from engine.runs.sweep_file import SWEEP_ID, sweep_ids
from engine.scheduler import sweep_control
from engine.scheduler.control import Refused, delete


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="RUN|SWEEP")
    parser.add_argument("--runs", action="store_true", help="of a sweep, delete the runs that it made too")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    names = list(dict.fromkeys(args.ids))
    for name in names:
        _check(name)
    if not args.yes and not args.json:
        more = " with the runs that they made" if args.runs and any(map(SWEEP_ID.match, names)) else ""
        sys.stderr.write(f"Delete {', '.join(names)}{more} for ever? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Refusal(BAD_USAGE, "Nothing was deleted.")
    told = []
    for name in names:
        try:
            if SWEEP_ID.match(name):
                gone, kept = sweep_control.delete(data_folder(), name, runs=args.runs)
                told += [{"run": run, "status": "deleted"} for run in gone]
                told += [{"run": run, "status": existing(run).status()} for run in kept]
            else:
                delete(existing(name))
                told.append({"run": name, "status": "deleted"})
        except Refused as refused:
            raise Refusal(BAD_USAGE, str(refused)) from None
    tell(args.json, {"runs": told}, [f"{t['run']}: {t['status']}" for t in told])
    return ANSWERED


def _check(name: str) -> None:
    """A refusal for what does not exist; a sweep that cannot be read can be deleted."""
    if not SWEEP_ID.match(name):
        existing(name)
    elif name not in sweep_ids(data_folder()):
        raise Refusal(NOT_FOUND, f'No sweep "{name}" in {data_folder() / "sweeps"}.')
