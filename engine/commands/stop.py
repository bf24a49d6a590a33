"""Stop runs, or the runs of a sweep: each writes a checkpoint and ends; a queued one just never starts.

The worker is asked first, terminated after 10 s and killed after 20 s.
"""

from __future__ import annotations

import argparse
import time

from engine.commands._answer import ANSWERED, BAD_USAGE, Refusal, tell
from engine.commands._sweeps import sweep_named
from engine.commands.logs import existing
from engine.core.paths import data_folder
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.runs.sweep_file import Sweep
from engine.scheduler import control, sweep_control
from engine.scheduler.local import Local
from engine.scheduler.supervisor import KILL_AFTER, Supervisor

PATIENCE = KILL_AFTER + 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="RUN|SWEEP")


def run(args: argparse.Namespace) -> int:
    named = [sweep_named(one) or existing(one) for one in dict.fromkeys(args.ids)]
    executor = Local()
    folders: list[RunFolder] = []
    for one in named:
        try:
            if isinstance(one, Sweep):
                folders += sweep_control.stop(data_folder(), one, executor)
            else:
                control.stop(one, executor)
                folders.append(one)
        except control.Refused as refused:
            raise Refusal(BAD_USAGE, str(refused)) from None
    supervisor = Supervisor(data_folder(), executor)
    limit = time.monotonic() + PATIENCE
    while any(f.status() not in ENDED for f in folders) and time.monotonic() < limit:
        for folder in folders:
            supervisor.pressing.escalate(folder)  # whoever is on duty presses too; asking twice does no harm
            executor.status(folder)
        time.sleep(0.05)
    supervisor.close()
    told = [{"run": f.run, "status": f.status()} for f in folders]
    tell(args.json, {"runs": told}, [f"{t['run']}: {t['status']}" for t in told])
    return ANSWERED
