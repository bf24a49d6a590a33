"""A sweep on disk: `data/sweeps/<id>.json`, written before its runs are made, and the only place that says which runs belong to it.

    format, lab, edition, preset     what was swept
    base, axes, seeds                how it was asked for: knobs with one value, knobs with several (in order), seeds
    members                          the identity of each declaration (engine/declare/identity.py), in the order in which they start
    knobs, changes                   the nested knobs of the first member; for each member, which of them are otherwise
    code                             for each member, a hash of the sources that decided its training then; may be empty
    reused                           identity -> a run that was there before and counts as this member's
    complete                         false while members without a run are still to be made
    created, who, search             when and by whom; {"random": N}, or how the next runs are chosen from results, or null
    map                              of a map its two or three axes, what is read of each run and how far it is refined, or null

A sweep that grows (`map`, or `search` with "is") says in "open" whether more runs may follow from what the others come to.

A member's run is the reused one, or the one whose spec.json names this sweep and the member's identity.  A file that holds anything
else is unreadable: one sentence, and nothing is made of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.core.files import read_json, write_json
from engine.core.paths import private_folder
from engine.runs import formats
from engine.runs.folder import RUN_ID, RunFolder
from engine.runs.made_runs import made_runs

FORMAT = 1
LARGEST = 8 * 2**20  # bytes of a sweep's file
MOST = 1000  # members of a sweep
SWEEP_ID = re.compile(r"^s\d{8}-\d{6}-[a-z0-9_]+-[0-9a-f]{4}$")
IDENTITY = re.compile(r"^[0-9a-f]{64}$")

Nested = Mapping[str, Any]


class SweepUnreadable(ValueError):
    """The file of a sweep holds what no sweep holds; the message is one sentence."""


@dataclass(frozen=True)
class Axis:
    """One knob and the values it takes, in order."""

    knob: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Member:
    """One declaration of a sweep: complete nested knobs, as spec.json holds them."""

    identity: str
    knobs: Nested
    code: str = ""  # hash of the sources that decided its training when the sweep was made


@dataclass(frozen=True)
class Sweep:
    """A sweep as its file says it is.  `axes` are without the seed; `reused`: identity -> run that was there before."""

    id: str
    lab: str
    edition: int
    preset: str | None
    base: Mapping[str, Any]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    members: tuple[Member, ...]
    created: float
    who: str
    search: Mapping[str, Any] | None = None
    map: Mapping[str, Any] | None = None
    reused: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False

    @property
    def growing(self) -> Mapping[str, Any] | None:
        """How its next runs are chosen from what the others come to; None of a sweep whose runs are all named."""
        return self.map if self.map is not None else self.search if self.search and "is" in self.search else None

    @property
    def open(self) -> bool:
        """Whether more runs may follow."""
        return self.growing is not None and bool(self.growing.get("open"))

    def opened(self, on: bool) -> Sweep:
        """The same, open or not; of a sweep that does not grow itself."""
        if self.growing is None:
            return self
        setting = {**self.growing, "open": on}
        return dataclasses.replace(self, map=setting) if self.map is not None else dataclasses.replace(self, search=setting)


def read_sweep(data: Path, id: str) -> Sweep:
    """The sweep of that id.  KeyError, in one sentence, for one that does not exist; SweepUnreadable for one that cannot be read."""
    path = _file(data, id)
    if not SWEEP_ID.match(id) or not os.path.lexists(path):
        raise KeyError(f'No sweep "{id}" in {path.parent}.')
    found = read_json(path, LARGEST)
    if found is None:
        raise SweepUnreadable(f"The sweep {id} cannot be read: it is no JSON object in a regular file of at most {LARGEST >> 20} MiB.")
    if problem := next(_odd(found), ""):
        raise SweepUnreadable(f"The sweep {id} cannot be read: its file {problem}.")
    common, edition = found["knobs"], int(found["edition"])
    members = zip(found["members"], found["changes"], found["code"], strict=True)
    return Sweep(
        id=id,
        lab=found["lab"],
        edition=edition,
        preset=found["preset"],
        base=found["base"],
        axes=tuple(Axis(axis["knob"], tuple(axis["values"])) for axis in found["axes"]),
        seeds=tuple(found["seeds"]),
        members=tuple(Member(identity, {**common, **changed}, code) for identity, changed, code in members),
        created=float(found["created"]),
        who=found["who"],
        search=found["search"],
        map=found["map"],
        reused=found["reused"],
        complete=found["complete"],
    )


def write_sweep(data: Path, sweep: Sweep) -> None:
    """Write it whole, over the old one where there is one.  OSError where the disk refuses it."""
    private_folder(data / "sweeps")
    first = sweep.members[0].knobs
    write_json(
        _file(data, sweep.id),
        {
            "format": FORMAT,
            **{name: getattr(sweep, name) for name in ("lab", "edition", "preset")},
            "base": dict(sweep.base),
            "axes": [{"knob": axis.knob, "values": list(axis.values)} for axis in sweep.axes],
            "seeds": list(sweep.seeds),
            "members": [member.identity for member in sweep.members],
            "knobs": dict(first),
            "changes": [{name: v for name, v in m.knobs.items() if first.get(name) != v or name not in first} for m in sweep.members],
            "code": [member.code for member in sweep.members],
            "reused": dict(sweep.reused),
            **{name: getattr(sweep, name) for name in ("complete", "created", "who", "search", "map")},
        },
    )


def new_id(data: Path, lab: str) -> str:
    """An id that no sweep bears."""
    while True:
        found = f"s{time.strftime('%Y%m%d-%H%M%S')}-{lab}-{secrets.token_hex(2)}"
        if not os.path.lexists(_file(data, found)):
            return found


def sweep_ids(data: Path) -> list[str]:
    """Every sweep, readable or not, oldest first."""
    try:
        names = os.listdir(data / "sweeps")
    except OSError:
        return []
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json") and SWEEP_ID.match(name.removesuffix(".json")))


def remove_sweep(data: Path, id: str) -> None:
    """Forget a sweep and what its search kept beside it; its runs stay.  OSError."""
    if SWEEP_ID.match(id):
        shutil.rmtree(data / "sweeps" / id, ignore_errors=True)
    _file(data, id).unlink(missing_ok=True)


def reused_by_others(data: Path, id: str) -> set[str]:
    """Runs that other sweeps count as their own because they were there before."""
    out: set[str] = set()
    for other in sweep_ids(data):
        if other != id:
            with contextlib.suppress(KeyError, SweepUnreadable):
                out |= set(read_sweep(data, other).reused.values())
    return out


def member_runs(data: Path, sweep: Sweep) -> dict[str, str | None]:
    """Identity of each member, in order -> its run; None for one that has none, for it is still to be made or was deleted."""
    made = made_runs(data / "runs", sweep.lab).of(sweep.id)
    reused = {one: run for one, run in sweep.reused.items() if RunFolder(data / "runs" / run).declared()}
    return {member.identity: made.get(member.identity) or reused.get(member.identity) for member in sweep.members}


def _file(data: Path, id: str) -> Path:
    return data / "sweeps" / f"{id}.json"


def _odd(document: Mapping[str, Any]) -> Iterator[str]:
    """What the file of a sweep may not hold, whoever wrote it, as the end of a sentence."""
    format_ = document.get("format")
    if type(format_) is not int or format_ < 1:
        yield f"gives the format {str(format_)[:40]!r}; this Faultline reads {FORMAT}"
        return
    if format_ > FORMAT:
        yield f"was made by a newer Faultline (format {format_}; this one reads up to {FORMAT})"
        return
    members, changes, reused = document.get("members"), document.get("changes"), document.get("reused")
    if not isinstance(members, list) or not 0 < len(members) <= MOST or not all(_identity(one) for one in members):
        yield f"names no members (1 to {MOST} identities of 64 hexadecimal digits)"
        return
    if len(set(members)) < len(members):
        yield "names one member twice"
    if not isinstance(changes, list) or len(changes) != len(members) or not all(isinstance(one, dict) for one in changes):
        yield "does not say for each member which knobs are otherwise"
        return
    code = document.get("code")
    if not isinstance(code, list) or len(code) != len(members) or not all(isinstance(one, str) and len(one) <= 64 for one in code):
        yield "does not say for each member which code it had"
    if not isinstance(document.get("knobs"), dict):
        yield "holds no knobs"
        return
    if not isinstance(reused, dict) or not all(one in members and isinstance(r, str) and RUN_ID.match(r) for one, r in reused.items()):
        yield "reuses what is no run of a member"
    if "preset" not in document:
        yield "does not say which preset it has, or null"
    if not isinstance(document.get("base"), dict) or not _scalars(list(document["base"].values())):
        yield "gives knobs with one value that have none"
    for name in ("search", "map"):
        if not isinstance(one := document.get(name, ""), dict | None):
            yield f"gives as {name} neither an object nor null"
        elif one is not None and ("is" in one or name == "map") and not (isinstance(one.get("is"), str) and type(one.get("open")) is bool):
            yield f"does not say in {name} how it grows, and whether it is open"
    if (
        type(document.get("complete")) is not bool
        or type(document.get("created")) not in (int, float)
        or not isinstance(document.get("who"), str)
    ):
        yield "does not say whether it is complete, when it was made and by whom"
    axes, seeds = document.get("axes"), document.get("seeds")
    if not isinstance(axes, list) or not all(_axis(one) for one in axes) or not _scalars(seeds) or not all(type(n) is int for n in seeds):
        yield "holds axes or seeds that are none"
    for changed in changes:  # each member is a declaration, and odd in the same words
        spec = {name: document.get(name) for name in ("lab", "preset", "who", "edition", "created")}
        if type(document.get("edition")) is not int or (problem := formats.problem({**spec, "knobs": {**document["knobs"], **changed}})):
            yield "holds a member that is no declaration" + (f" ({problem})" if type(document.get("edition")) is int else "")
            return


def _identity(thing: Any) -> bool:
    return isinstance(thing, str) and bool(IDENTITY.match(thing))


def _axis(thing: Any) -> bool:
    return isinstance(thing, dict) and isinstance(thing.get("knob"), str) and _scalars(thing.get("values"))


def _scalars(thing: Any) -> bool:
    return isinstance(thing, list) and len(thing) <= MOST and not any(isinstance(one, dict | list) for one in thing)
