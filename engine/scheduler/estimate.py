"""How long a run will take, from what earlier runs of the same size measured; never a guess."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.core import device
from engine.declare.knobs import Flat, unnest
from engine.declare.resolve import Declaration
from engine.runs.folder import RunFolder, all_runs

LOOKED_AT, ENOUGH = 300, 5  # newest runs that are searched; runs whose median is taken


Known = Sequence[tuple[str, Flat, float]]


def measured_runs(data: Path) -> Known:
    """(lab, flat knobs, seconds a step) of the newest runs that measured it, the newest first: for who asks of many declarations."""
    return list(_measured(data))


def seconds(data: Path, declaration: Declaration, known: Known | None = None) -> tuple[float, int] | None:
    """-> (seconds for all steps, how many runs say so), or None where no run of this size was measured on this device.

    `known`: what `measured_runs` gave, else the runs are read now.  KnobError for a device that is not here.
    """
    declaration = declaration.on_this_machine()
    size = _size(declaration, declaration.flat)
    times: list[float] = []
    for lab, flat, step in _measured(data) if known is None else known:
        if lab != declaration.lab or _size(declaration, flat) != size:
            continue
        times.append(step)
        if len(times) == ENOUGH:
            break
    return (statistics.median(times) * int(declaration.flat["steps"]), len(times)) if times else None


def probe_share(data: Path, declaration: Declaration) -> tuple[float, int] | None:
    """-> (share of a step that measuring took, how many runs of this size and price of probes say so); None where no run here does.

    Only whole runs that were trained alone say it: the first steps measure more than later ones, and a run that has not begun says 0.
    On a GPU none does, for the clocks of a step are those of the host.  KnobError for a device that is not here.
    """
    declaration = declaration.on_this_machine()
    if str(declaration.device).startswith("cuda"):
        return None
    size = _size(declaration, declaration.flat)
    shares: list[float] = []
    for folder in reversed(all_runs(data)[-LOOKED_AT:]):
        declared = knobs(folder.path)
        if declared is None or declared[0] != declaration.lab or _size(declaration, declared[1]) != size:
            continue
        share = folder.state().get("probe_share")
        whole = (folder.exit() or {}).get("status") == "finished" and _together(folder) == 1
        if whole and isinstance(share, int | float) and 0 < share < 1:
            shares.append(float(share))
        if len(shares) == ENOUGH:
            break
    return (statistics.median(shares), len(shares)) if shares else None


def _measured(data: Path) -> Iterator[tuple[str, Flat, float]]:
    for folder in reversed(all_runs(data)[-LOOKED_AT:]):
        declared = knobs(folder.path)
        if declared is None:
            continue
        measured = folder.state().get("step_seconds")
        if measured:  # of runs that were trained together it is the time of all of them
            yield *declared, float(measured) / _together(folder)


@dataclass(frozen=True)
class Estimate:
    """Of several runs: `seconds` until the last one ends, where all of them are measured; of how many the step time is; slots here."""

    seconds: float | None
    runs: int
    measured_runs: int
    at_a_time: int

    def json(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "measured_runs": self.measured_runs, "at_a_time": self.at_a_time}


def of_many(data: Path, declarations: Sequence[Declaration], *, cores: int | None = None, gpus: int | None = None) -> Estimate:
    """How long the queue works on these, when nobody else's runs are in it.  KnobError for a device that is not here.

    As many run at a time as have room; each of those sizes is asked for once.
    """
    here = [one.on_this_machine() for one in declarations]
    cores, gpus = device.cores() if cores is None else cores, len(device.gpus()) if gpus is None else gpus
    on_gpu = any(str(one.device).startswith("cuda") for one in here)
    threads = max((int(one.flat.get("threads", 1)) for one in here), default=1)
    at_a_time = max(1, gpus if on_gpu else cores // threads)
    known: dict[str, float | None] = {}
    found: list[float | None] = []
    for one in here:
        size = repr(_size(one, one.flat))
        if size not in known:
            step = seconds(data, one)
            known[size] = step[0] / int(one.flat["steps"]) if step else None
        per_step = known[size]
        found.append(None if per_step is None else per_step * int(one.flat["steps"]))
    measured = [value for value in found if value is not None]
    total = max(sum(measured) / at_a_time, *measured) if measured else 0.0
    return Estimate(total if len(measured) == len(found) else None, len(found), len(measured), at_a_time)


@lru_cache(maxsize=4096)
def knobs(path: Path) -> tuple[str, Flat] | None:
    """-> (lab, flat knobs) of the run in folder `path`; a declaration never changes."""
    spec = RunFolder(path).spec()
    return (str(spec["lab"]), unnest(spec["knobs"])) if spec else None


def _together(folder: RunFolder) -> int:
    stack = folder.provenance().get("stack")
    return max(1, len(stack.get("members") or ())) if isinstance(stack, dict) else 1


def _size(declaration: Declaration, flat: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs that decide the price of a step: those of the group "size", the device and how much is measured."""
    return {name: flat.get(name) for name in (*declaration.size, "device", "probes")}
