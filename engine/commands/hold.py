"""Hold a run: it waits between two steps and keeps its process, memory and slot, until `resume`.

Of a sweep, what trains is held and what waits is paused in the queue.
"""

from __future__ import annotations

import argparse

from engine.commands._answer import ANSWERED, BAD_USAGE, Refusal, tell
from engine.commands._sweeps import sweep_named
from engine.commands.logs import existing
from engine.core.paths import data_folder
from engine.runs.sweep_file import Sweep
from engine.scheduler import sweep_control
from engine.scheduler.control import Refused, hold


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="RUN|SWEEP")


def run(args: argparse.Namespace) -> int:
    named = [sweep_named(one) or existing(one) for one in dict.fromkeys(args.ids)]
    told: list[dict[str, str]] = []
    try:
        for one in named:
            if isinstance(one, Sweep):
                told += [{"run": f.run, "status": f.status()} for f in sweep_control.hold(data_folder(), one)]
            else:
                told.append({"run": one.run, "status": hold(one)})
    except Refused as refused:
        raise Refusal(BAD_USAGE, str(refused)) from None
    tell(args.json, {"runs": told}, [f"{t['run']}: {t['status']}" for t in told])
    return ANSWERED
