"""Keep the index and work through the queue without a page, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys

from engine.commands._answer import ANSWERED, FAILED, Refusal, tell
from engine.commands.run import asked_to_leave
from engine.core.disk import why
from engine.core.paths import data_folder
from engine.runs.ending import ENDED
from engine.runs.folder import all_runs
from engine.search.growth import decides
from engine.server.service import Service

LOOK = 1.0  # seconds: a signal that comes just before Python begins to wait is handled only when it has waited


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--until-idle", action="store_true", help="end when no run waits or trains any more")


def idle(lab: Service) -> bool:
    """Whether no run waits for its turn or trains, and no sweep is about to grow; runs that somebody paused or holds do not count."""
    paused = lab.supervisor.order.paused()
    labs = lab.labs()
    known = {entry["lab"] for entry in labs["labs"]}
    if any(labs["state"] == "computing" or name.split("-")[2] in known for name in lab.growing.open if decides(lab.data, name)):
        return False
    return all(f.status() in (*ENDED, "held") or (f.status() == "queued" and f.run in paused) for f in all_runs(lab.data))


def run(args: argparse.Namespace) -> int:
    try:
        here = Service()
    except OSError as error:
        raise Refusal(FAILED, f"The data folder {data_folder()} cannot be used: {why(error)}.") from None
    owns = here.owner.role == "owner"
    waits = "reads what others write" if here.owner.problem else "reads beside another process, and takes over when that one leaves"
    doing = "keeps the index and the queue" if owns else waits
    if here.owner.problem:
        sys.stderr.write(f"{here.owner.problem}\n")
    with asked_to_leave() as asked:
        here.start()
        tell(args.json, {"data": str(here.data), "role": here.owner.role}, [f"Serving {here.data}: this process {doing}. Ctrl-C ends it."])
        try:
            while not asked.wait(LOOK) and not (args.until_idle and idle(here)):
                pass
        finally:
            here.close()
    return ANSWERED
