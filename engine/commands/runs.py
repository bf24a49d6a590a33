"""The table of runs, oldest first."""

from __future__ import annotations

import argparse
import time

from engine.commands._answer import ANSWERED, BAD_USAGE, Refusal, table, tell
from engine.commands._index import index
from engine.core.suggest import nearest
from engine.runs.ending import STATUSES


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lab", metavar="L", help="only runs of this lab")
    parser.add_argument("--status", metavar="S", help=f"only runs of this status: {', '.join(STATUSES)}")


def run(args: argparse.Namespace) -> int:
    if args.status is not None and args.status not in STATUSES:
        raise Refusal(BAD_USAGE, nearest("status", args.status, STATUSES))
    with index() as owner:
        found = owner.store.runs()
    rows = [r for r in found if args.lab in (None, r["lab"]) and args.status in (None, r["status"])]
    head = ["run", "preset", "status", "steps", "seed", "who", "created", "loss/train"]
    cells = [
        [r["run"], r["preset"], r["status"], r["steps"], r["seed"], r["who"], _when(r["created"]), r["last"].get("loss/train")]
        for r in rows
    ]
    none = ["No run yet; `python -m engine labs` lists what can be run."] if not found else ["No run of that kind."]
    tell(args.json, {"runs": rows}, table(head, cells) if rows else none)
    return ANSWERED


def _when(created: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(created)) if created else ""
