"""A map whose cells are trained: a sweep that grows where neighbours disagree."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.commands import sweep as sweep_verb
from engine.commands._answer import ANSWERED, BAD_USAGE, FAILED, Refusal, tell
from engine.commands._index import index
from engine.commands._map_picture import write_picture
from engine.commands._sweeps import work_on_the_queue
from engine.commands.sweep import code_of, wait
from engine.core.paths import data_folder
from engine.declare.lab_catalog import Document
from engine.declare.resolve import KnobError, LabJson, read_knobs
from engine.declare.revise import written
from engine.index.store import Store
from engine.runs.sweep_file import Sweep, SweepUnreadable
from engine.scheduler import estimate
from engine.scheduler.control import Refused
from engine.scheduler.sweep_control import statuses
from engine.scheduler.sweeps import Arm, arms, create
from engine.search.figure import svg
from engine.search.lattice import FIRST, REFINE, Lattice
from engine.search.maps import MapRequest, map_request, preview
from engine.search.outcome import outcomes
from engine.search.strategies.map import Cell, Map


def run(args: argparse.Namespace, document: Document, lab: LabJson) -> int:
    """The verb `map` for labs whose cells are trained."""
    data = data_folder()
    how = {
        "first": FIRST if args.cells is None else args.cells,
        "refine": REFINE if args.refine is None else args.refine,
        "metric": args.metric or "loss/train",
        "level": args.level,
    }
    try:
        wanted = map_request(lab, args.preset, read_knobs(args.given), **how)
        begun = arms(data, lab, wanted.plan.declarations)
        sentences = preview(data, wanted, begun)
        if not args.json:
            tell(False, None, [*sentences, ""])
        if args.dry_run:
            if args.json:
                tell(True, _planned(wanted, begun, data), ())
            return ANSWERED
        sweep, _ = create(data, lab, wanted.plan, map=wanted.setting)
    except (KnobError, Refused) as error:
        raise Refusal(BAD_USAGE, str(error)) from None
    except (OSError, SweepUnreadable) as error:
        raise Refusal(FAILED, str(error)) from None
    with index(caught_up=False) as owner:
        if args.detach:
            work_on_the_queue()
        else:
            sweep = wait(data, sweep, owner, sweep_verb.executor(), document)
        owner.catch_up()
        cells = cells_of(data, owner.store, sweep)
    if args.picture is not None:
        write_picture(args.picture, svg(wanted.axes, cells, str(how["metric"])))
    now = statuses(data, sweep)
    tell(args.json, map_json(sweep, wanted.axes, cells), lines(sweep, wanted.axes, cells))
    return ANSWERED if args.detach else code_of(list(now.values()), missing=len(now) < len(sweep.members))


def cells_of(data: Path, store: Store, sweep: Sweep) -> list[Cell]:
    """The cells of a map's sweep as they stand.  ValueError, in one sentence, for a sweep that is no map."""
    way = Map(sweep.map or {})
    return way.cells(outcomes(data, store, sweep, way.metric))


def map_json(sweep: Sweep, axes: Sequence[Lattice], cells: Sequence[Cell]) -> dict[str, Any]:
    """The document of `map --json`."""
    names = ("x", "y", "z")[: len(axes)]
    return {
        "map": sweep.id,
        "axes": {name: axis.json() for name, axis in zip(names, axes, strict=True)},
        "cells": [
            {
                **{name: cell.point[axis.knob] for name, axis in zip(names, axes, strict=True)},
                "n": cell.n,
                "diverged": cell.diverged,
                "final": cell.final,
                "runs": list(cell.runs),
            }
            for cell in sorted(cells, key=lambda cell: cell.spot[::-1])
        ],
    }


def lines(sweep: Sweep, axes: Sequence[Lattice], cells: Sequence[Cell]) -> Iterator[str]:
    """The map in letters, the largest y on top: # where half of the runs or more diverged, o where some did, . none, ? for unknown."""
    x, y, *third = axes
    yield f"{sweep.id}: {sum(len(cell.runs) for cell in cells)} runs in {len(cells)} cells"
    for at in range(len(third[0].values)) if third else (0,):
        some = {cell.spot[:2]: cell for cell in cells if not third or cell.spot[2] == at}
        if third:
            yield f"{third[0].knob}={written(third[0].values[at])}"
        columns, rows = sorted({spot[0] for spot in some}), sorted({spot[1] for spot in some}, reverse=True)
        wide = max((len(written(y.values[row])) for row in rows), default=0)
        for row in rows:
            yield f"{written(y.values[row]):>{wide}}  {''.join(_letter(some.get((column, row))) for column in columns)}"
        if columns:
            ends = f"{written(x.values[columns[0]])} to {written(x.values[columns[-1]])}"
            yield f"{'':>{wide}}  {x.knob} from {ends}, {y.knob} upwards"


def _letter(cell: Cell | None) -> str:
    if cell is None:
        return " "
    if not cell.n:
        return "?"
    return "#" if 2 * cell.diverged >= cell.n else "o" if cell.diverged else "."


def _planned(wanted: MapRequest, begun: Sequence[Arm], data: Path) -> dict[str, Any]:
    names = ("x", "y", "z")[: len(wanted.axes)]
    new = [arm.declared for arm in begun if arm.run is None]
    return {
        "map": None,
        "axes": {name: axis.json() for name, axis in zip(names, wanted.axes, strict=True)},
        "cells": [],
        "declarations": [{"run": arm.run, "knobs": dict(arm.declared.on_this_machine().flat), "new": arm.run is None} for arm in begun],
        "estimate": estimate.of_many(data, new).json(),
    }
