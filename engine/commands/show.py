"""One run: its declaration, how it ended, and the last value of every metric; or one sweep and how its runs stand."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from engine.commands._answer import ANSWERED, FAILED, table, tell
from engine.commands._document import lines
from engine.commands._index import check_run, index
from engine.commands._sweeps import sweep_named
from engine.core.paths import data_folder
from engine.declare.knobs import unnest
from engine.declare.revise import written
from engine.runs.folder import RunFolder
from engine.runs.sweep_file import Sweep, member_runs
from engine.scheduler.sweep_control import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="RUN|SWEEP")


def run(args: argparse.Namespace) -> int:
    if sweep := sweep_named(args.id):
        document = _sweep(sweep)
        tell(args.json, document, _lines(document))
        return ANSWERED
    check_run(args.id)
    with index() as owner:
        document = owner.store.show(args.id)
    tell(args.json, document, lines(document))
    return FAILED if document["status"] == "unreadable" else ANSWERED


def _sweep(sweep: Sweep) -> dict[str, Any]:
    """How it was asked for and how it stands; `knobs` of a declaration are those of its axes and its seed."""
    data, names = data_folder(), [*(axis.knob for axis in sweep.axes), "seed"]
    runs = member_runs(data, sweep)
    stands = {run: RunFolder(data / "runs" / run).status() for run in runs.values() if run is not None}
    declared = [
        {
            "run": (run := runs[member.identity]),
            "status": stands.get(str(run)),
            "knobs": {name: value for name, value in unnest(dict(member.knobs)).items() if name in names},
            "new": member.identity not in sweep.reused,
            "identity": member.identity,
        }
        for member in sweep.members
    ]
    head = {"sweep": sweep.id, **{name: getattr(sweep, name) for name in ("lab", "preset", "who", "created", "search", "map", "complete")}}
    axes = [{"knob": axis.knob, "values": list(axis.values)} for axis in sweep.axes]
    return {**head, "base": dict(sweep.base), "axes": axes, "seeds": list(sweep.seeds), "declarations": declared, "statuses": stands}


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    preset = f" --preset {document['preset']}" if document["preset"] else ""
    stands = ", ".join(f"{count} {status}" for status, count in counted(document["statuses"]).items())
    made = f"{len(document['declarations'])} runs by {document['who']}"
    yield f"{document['sweep']}: {document['lab']}{preset}, {made}: {stands or 'none yet'}"
    names = [*(axis["knob"] for axis in document["axes"]), "seed"]
    rows = [[*(written(one["knobs"].get(n)) for n in names), one["status"] or "no run", one["run"]] for one in document["declarations"]]
    yield from table([*names, "status", "run"], rows)
