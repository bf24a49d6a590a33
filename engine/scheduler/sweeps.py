"""Making sweeps: which declarations exist already, the sweep's file, and its runs, so that a kill in between loses and doubles nothing.

The file is written first and says that it is not complete.  Whoever holds `data/sweeps/lock` makes the members that have no run, and
says then that it is complete; the supervisor does so for a maker that was killed.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.core import locks
from engine.core.paths import private_folder
from engine.declare.identity import identity, of_declaration, of_spec
from engine.declare.resolve import Declaration, LabJson
from engine.declare.sweep import Plan
from engine.runs.folder import RunFolder, all_runs, new_run
from engine.runs.sweep_file import (
    Axis,
    Member,
    Sweep,
    SweepUnreadable,
    member_runs,
    new_id,
    read_sweep,
    sweep_ids,
    write_sweep,
)
from engine.scheduler.control import Refused
from engine.scheduler.submit import system_user

COUNT = frozenset({"finished", "diverged"})  # runs that need not be made again
GOING = frozenset({"queued", "running", "held"})  # nor these: they will tell soon
PATIENCE = 30.0  # seconds for another sweep that is being written


@dataclass(frozen=True)
class Arm:
    """One declaration of a sweep, and the run that exists of it, if any.  `code`: "older" or "unknown" of a run that other sources made."""

    declared: Declaration
    identity: str
    run: str | None = None
    code: str | None = None


# -- what exists -------------------------------------------------------------------------------------------


def arms(data: Path, lab: LabJson, declarations: Sequence[Declaration], *, fresh: bool = False) -> list[Arm]:
    """Each declaration with the newest run of the same identity that has ended well, or goes on; with `fresh` without any.  KnobError."""
    wanted = {of_declaration(one): one for one in declarations}
    found = {} if fresh else _existing(data, lab, wanted)
    return [Arm(one, name, *found.get(name, (None, None))) for name, one in wanted.items()]


def _existing(data: Path, lab: LabJson, wanted: Mapping[str, Declaration]) -> dict[str, tuple[str, str | None]]:
    found: dict[str, tuple[str, str | None]] = {}
    going: dict[str, tuple[str, str | None]] = {}
    for folder in reversed(all_runs(data)):
        if folder.run.split("-")[2] != lab["lab"] or (known := _of_run(folder.path, _Entry(lab))) is None:
            continue
        name, code = known
        if name in wanted and name not in found:
            now = wanted[name].code
            compared = None if code and code == now else "older" if code and now else "unknown"
            status = folder.status()
            if status in COUNT:
                found[name] = (folder.run, compared)
            elif status in GOING:
                going.setdefault(name, (folder.run, compared))
    return {**going, **found}


class _Entry:
    """One reading of a lab's entry in the labs document, known by its identity in memory; nobody changes an entry in place."""

    def __init__(self, lab: LabJson) -> None:
        self.lab = lab

    def __hash__(self) -> int:
        return id(self.lab)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Entry) and other.lab is self.lab


@lru_cache(maxsize=8192)
def _of_run(path: Path, entry: _Entry) -> tuple[str, str] | None:
    """-> (identity, code) of a run in the words of today's lab; a declaration never changes."""
    folder = RunFolder(path)
    spec = folder.spec()
    if spec is None or folder.unreadable():
        return None
    name = of_spec(entry.lab, spec)
    return None if name is None else (name, str(spec.get("code") or ""))


# -- making ------------------------------------------------------------------------------------------------


def create(
    data: Path,
    lab: LabJson,
    planned: Plan,
    *,
    who: str | None = None,
    fresh: bool = False,
    search: Mapping[str, Any] | None = None,
    map: Mapping[str, Any] | None = None,
) -> tuple[Sweep, list[Arm]]:
    """Write the sweep and its new runs -> (the sweep, its arms as they were found).  Where nothing is new, the sweep that says the same.

    `search`, `map`: as the sweep's file holds them.

    KnobError and Refused before anything is written; OSError where the disk refuses it: what is missing is made once there is room.
    """
    with writing(data):
        found = arms(data, lab, planned.declarations, fresh=fresh)
        grows = map is not None or "is" in (search or {})
        same = None if fresh else _same_growth(data, planned, search, map) if grows else _same(data, lab, found)
        if same is not None:
            return same, found
        members = [Member(arm.identity, arm.declared.on_this_machine().nested, arm.declared.code) for arm in found]
        sweep = Sweep(
            id=new_id(data, planned.lab),
            lab=planned.lab,
            edition=planned.declarations[0].edition,
            preset=planned.preset,
            base=planned.base,
            axes=tuple(Axis(name, tuple(values)) for name, values in planned.axes.items()),
            seeds=planned.seeds,
            members=tuple(members),
            created=time.time(),
            who=who or system_user(),
            search=search,
            map=map,
            reused={arm.identity: arm.run for arm in found if arm.run is not None},
        )
        write_sweep(data, sweep)
        return complete(data, sweep), found


def extend(data: Path, lab: LabJson, sweep: Sweep, more: Plan, *, grows: bool = False) -> tuple[Sweep, list[Arm]]:
    """Put the declarations of `more` into a sweep that has none of them -> (the sweep, the arms that were added).  Errors as `create`.

    `grows`: they follow from what its runs came to, and are made only while it is open.
    """
    with writing(data):
        sweep = read_sweep(data, sweep.id)
        if grows and not sweep.open:
            return sweep, []
        sweep = sweep.opened(True)
        known = {member.identity for member in sweep.members}
        added = [arm for arm in arms(data, lab, more.declarations) if arm.identity not in known]
        members = [Member(arm.identity, arm.declared.on_this_machine().nested, arm.declared.code) for arm in added]
        values = {axis.knob: axis.values for axis in sweep.axes}
        for knob, others in more.axes.items():
            values[knob] = tuple(dict.fromkeys([*values.get(knob, ()), *others]))
        sweep = dataclasses.replace(
            sweep,
            axes=tuple(Axis(knob, found) for knob, found in values.items()),
            seeds=tuple(dict.fromkeys([*sweep.seeds, *more.seeds])),
            members=(*sweep.members, *members),
            reused={**sweep.reused, **{arm.identity: arm.run for arm in added if arm.run is not None}},
            complete=False,
        )
        write_sweep(data, sweep)
        return complete(data, sweep), added


def make_missing(data: Path, sweep: Sweep) -> Sweep:
    """Make the runs of members that have none, also where one was deleted or, found when the sweep was made, does not count any more."""
    with writing(data):
        sweep = read_sweep(data, sweep.id)
        stands = {run: RunFolder(data / "runs" / run) for run in sweep.reused.values()}
        kept = {one: run for one, run in sweep.reused.items() if stands[run].declared() and stands[run].status() in COUNT | GOING}
        sweep = dataclasses.replace(sweep, reused=kept)
        if all(member_runs(data, sweep).values()) and sweep.complete and (sweep.growing is None or sweep.open):
            return sweep
        sweep = dataclasses.replace(sweep.opened(True), complete=False)
        write_sweep(data, sweep)
        return complete(data, sweep)


def leave_missing(data: Path, sweep: Sweep) -> None:
    """Make no more runs of it than there are, and let no more follow."""
    with writing(data):
        sweep = read_sweep(data, sweep.id)
        if not sweep.complete or sweep.open:
            write_sweep(data, dataclasses.replace(sweep.opened(False), complete=True))


def end_growth(data: Path, sweep: Sweep, **why: Any) -> Sweep:
    """No more runs follow from what the others came to; `why` is kept beside how it grew -> the sweep."""
    with writing(data):
        sweep = read_sweep(data, sweep.id).opened(False)
        setting = {**(sweep.growing or {}), **why}
        sweep = dataclasses.replace(sweep, **({"map": setting} if sweep.map is not None else {"search": setting}))
        write_sweep(data, sweep)
        return sweep


def complete(data: Path, sweep: Sweep) -> Sweep:
    """Make every member that has no run; for whoever holds the lock.  SweepUnreadable for a member that is not what its identity says."""
    made = member_runs(data, sweep)
    for member in sweep.members:
        if made[member.identity] is not None or member.identity in sweep.reused:
            continue
        if identity(sweep.lab, sweep.edition, member.knobs) != member.identity:
            raise SweepUnreadable(f"The sweep {sweep.id} holds a member whose knobs are not those of its identity.")
        spec = {
            "preset": sweep.preset,
            "edition": sweep.edition,
            "knobs": dict(member.knobs),
            "who": sweep.who,
            "parent": None,
            "twin": None,
            "sweep": sweep.id,
            "identity": member.identity,
            "code": member.code or None,
        }
        new_run(data, sweep.lab, spec)
    sweep = dataclasses.replace(sweep, complete=True)
    write_sweep(data, sweep)
    return sweep


def _same(data: Path, lab: LabJson, seen: Sequence[Arm]) -> Sweep | None:
    """The newest sweep with exactly these members, where each of them has its run."""
    wanted = {arm.identity for arm in seen}
    if any(arm.run is None for arm in seen):
        return None
    for name in reversed(sweep_ids(data)):
        if name.split("-")[2] == lab["lab"]:
            try:
                sweep = read_sweep(data, name)
            except (KeyError, SweepUnreadable):
                continue
            if {member.identity for member in sweep.members} == wanted and sweep.complete and all(member_runs(data, sweep).values()):
                return sweep
    return None


def _same_growth(data: Path, planned: Plan, search: Mapping[str, Any] | None, map: Mapping[str, Any] | None) -> Sweep | None:
    """The newest sweep that grows from the same beginning in the same way, however far it has come."""
    wished = {*(search or {}), *(map or {})} - {"open"}

    def beginning(lab: str, preset: str | None, base: Mapping[str, Any], seeds: Sequence[int], *grows: Mapping[str, Any] | None) -> Any:
        kept = [{name: value for name, value in (one or {}).items() if name in wished} for one in grows]  # and not what it found
        return json.loads(json.dumps([lab, preset, dict(base), list(seeds), kept], sort_keys=True))

    wanted = beginning(planned.lab, planned.preset, planned.base, planned.seeds, search, map)
    for name in reversed(sweep_ids(data)):
        with suppress(KeyError, SweepUnreadable):
            sweep = read_sweep(data, name)
            if beginning(sweep.lab, sweep.preset, sweep.base, sweep.seeds, sweep.search, sweep.map) == wanted:
                return sweep
    return None


@contextmanager
def writing(data: Path) -> Iterator[None]:
    """The right to write sweeps, for one process and thread at a time."""
    private_folder(data / "sweeps")
    until = time.monotonic() + PATIENCE
    while (mine := locks.take(data / "sweeps" / "lock")) is None:
        if time.monotonic() > until:
            raise Refused("Another sweep has been written for half a minute now; try again in a moment.")
        time.sleep(0.01)
    try:
        yield
    finally:
        mine.release()
