"""How long a run will take, from what earlier runs of the same size measured; never a guess."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.declare.knobs import Flat, unnest
from engine.declare.resolve import Declaration
from engine.runs.folder import RunFolder, all_runs

LOOKED_AT, ENOUGH = 300, 5  # newest runs that are searched; runs whose median is taken


def seconds(data: Path, declaration: Declaration) -> tuple[float, int] | None:
    """-> (seconds for all steps, how many runs say so), or None where no run of this size was measured on this device.

    KnobError for a device that is not here.
    """
    declaration = declaration.on_this_machine()
    size = _size(declaration, declaration.flat)
    found: list[float] = []
    for folder in reversed(all_runs(data)[-LOOKED_AT:]):
        declared = knobs(folder.path)
        if declared is None or declared[0] != declaration.lab or _size(declaration, declared[1]) != size:
            continue
        measured = folder.state().get("step_seconds")
        if measured:
            found.append(float(measured))
        if len(found) == ENOUGH:
            break
    return (statistics.median(found) * int(declaration.flat["steps"]), len(found)) if found else None


@lru_cache(maxsize=4096)
def knobs(path: Path) -> tuple[str, Flat] | None:
    """-> (lab, flat knobs) of the run in folder `path`; a declaration never changes."""
    spec = RunFolder(path).spec()
    return (str(spec["lab"]), unnest(spec["knobs"])) if spec else None


def _size(declaration: Declaration, flat: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs that decide the price of a step: those of the group "size", the device and how much is measured."""
    return {name: flat.get(name) for name in (*declaration.size, "device", "probes")}
