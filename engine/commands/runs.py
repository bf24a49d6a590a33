"""The table of runs, oldest first."""

from __future__ import annotations

import argparse
import time

from engine.commands._answer import ANSWERED, BAD_USAGE, Refusal, table, tell
from engine.commands._index import index
from engine.commands._sweeps import sweep_named
from engine.core.paths import data_folder
from engine.core.suggest import nearest
from engine.runs.ending import STATUSES
from engine.runs.sweep_file import member_runs


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lab", metavar="L", help="only runs of this lab")
    parser.add_argument("--sweep", metavar="S", help="only runs of this sweep")
    parser.add_argument("--status", metavar="S", help=f"only runs of this status: {', '.join(STATUSES)}")


def run(args: argparse.Namespace) -> int:
    if args.status is not None and args.status not in STATUSES:
        raise Refusal(BAD_USAGE, nearest("status", args.status, STATUSES))
    sweep = None if args.sweep is None else sweep_named(args.sweep)
    if args.sweep is not None and sweep is None:
        raise Refusal(BAD_USAGE, f'"{args.sweep}" is no id of a sweep; `sweep` prints one, such as s20260131-093000-moe-1a2b.')
    members = None if sweep is None else set(member_runs(data_folder(), sweep).values())
    with index() as owner:
        found = owner.store.runs()
    rows = [r for r in found if args.lab in (None, r["lab"]) and args.status in (None, r["status"])]
    rows = [r for r in rows if members is None or r["run"] in members]
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
