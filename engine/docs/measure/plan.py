"""What is to be measured: which presets with which seeds, what of it is already done, and what the rest costs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core import sources
from engine.core.device import resolve as resolve_device
from engine.core.nonfinite import jsonable
from engine.core.paths import ROOT
from engine.core.suggest import nearest
from engine.declare.measured import metrics, ratios
from engine.declare.resolve import declaration
from engine.docs.measure import record
from engine.docs.measure.runs import Job, finished
from engine.docs.measure.sources import starts
from engine.runs.series import split_key

GUESS = 30.0  # CPU-seconds of a run that nobody has measured yet
OURS = ("engine", "kernels", "pyproject.toml", "constraints.txt")

Labs = Mapping[str, Mapping[str, Any]]  # the entries of the labs document by name


class BadRequest(ValueError):
    """A lab or preset that does not exist; the message is one sentence."""


@dataclass(frozen=True)
class Work:
    """One preset to measure, with the jobs of all its seeds."""

    lab: str
    preset: str
    jobs: tuple[Job, ...]


def presets(labs: Labs, lab: str | None = None, names: Iterable[str] = ()) -> list[tuple[str, str]]:
    """-> (lab, preset) of everything that is named, or of all that this machine can run.  BadRequest.

    A ladder is measured by its arms, and `_gpu` presets only where there is a GPU.
    """
    if lab is not None and lab not in labs:
        raise BadRequest(nearest("lab", lab, labs))
    gpu = resolve_device("auto").startswith("cuda")
    out = []
    for one in [lab] if lab else sorted(labs):
        known = labs[one]["presets"]
        for name in (wanted := list(names)):
            if name not in known:
                raise BadRequest(nearest(f"preset of {one}", name, known))
        out += [(one, n) for n in wanted or measurable(known, gpu)]
    return out


def measurable(known: Mapping[str, Mapping[str, Any]], gpu: bool = False) -> Iterator[str]:
    """The presets of a lab that have a record of their own: of several with the very same knobs the first."""
    seen: list[Any] = []
    for name, preset in known.items():
        if (preset.get("arm") or not preset["grid"]) and (gpu or not name.endswith("_gpu")) and preset["knobs"] not in seen:
            seen.append(preset["knobs"])
            yield name


def work(labs: Labs, chosen: Iterable[tuple[str, str]], seeds: Iterable[int]) -> list[Work]:
    """The jobs of the chosen presets."""
    wanted, kinds = list(seeds), list(record.metrics())
    out = []
    for lab, preset in chosen:
        knobs, decides, deciding = state(labs, lab, preset, kinds)
        quoted = frozenset(metrics(labs[lab]))
        out.append(Work(lab, preset, tuple(Job(lab, preset, seed, knobs, decides, deciding, quoted) for seed in wanted)))
    return out


def state(labs: Labs, lab: str, preset: str, kept: Iterable[str]) -> tuple[dict[str, Any], dict[str, str], str]:
    """-> the declaration of a preset without its seeds, file -> hash of what decides its numbers, and its deciding metric."""
    one = declaration(labs[lab], preset, {}).on_this_machine()
    knobs = {name: jsonable(value) for name, value in one.flat.items() if name not in ("seed", "data_seed")}
    decides = sources.hashes(starts(labs[lab], one.flat, one.questions, kept))
    return knobs, decides, labs[lab]["presets"][preset].get("deciding") or ""


def kept(stored: Mapping[str, Any]) -> set[str]:
    """The metrics of which a record keeps numbers."""
    return {split_key(key.rpartition("|")[0])[0] for key in stored["summary"]}


def why_stale(labs: Labs, stored: Mapping[str, Any]) -> str:
    """Why a record is not of today's sources or declaration, in one sentence; nothing when it is."""
    lab, preset = stored["lab"], stored["preset"]
    called = f"{lab}/{preset}.json"
    if preset not in labs.get(lab, {}).get("presets", {}):
        return f"{called} is a record of no preset; delete it."
    knobs, decides, _ = state(labs, lab, preset, kept(stored))
    if knobs != stored["knobs"]:
        names = sorted(n for n in knobs.keys() | stored["knobs"].keys() if knobs.get(n) != stored["knobs"].get(n))
        return f"{called} was measured with another {', '.join(names)}; measure {lab} {preset} again."
    if sources.digest(decides) != stored["sources"]["hash"]:
        then = stored["sources"]["files"]
        names = sorted(f for f in decides.keys() | then.keys() if decides.get(f) != then.get(f))
        return f"{called} was measured before {', '.join(names)} changed; measure {lab} {preset} again, or confirm it."
    return ""


def stale(labs: Labs, chosen: Iterable[tuple[str, str]], docs: Path) -> Iterator[tuple[str, str]]:
    """Of the chosen presets those without a record of today's sources, declaration and number of seeds."""
    for lab, preset in chosen:
        found = record.read(docs, lab, preset)
        if found is None or len(found["seeds"]) < record.SEEDS or why_stale(labs, found):
            yield lab, preset


def left(todo: Iterable[Work], scratch: Path) -> list[Job]:
    """The jobs that no earlier measurement has finished."""
    return [job for one in todo for job in one.jobs if finished(job, scratch) is None]


def hours(jobs: Iterable[Job], docs: Path, at_a_time: int) -> float:
    """Estimated hours, from the CPU-seconds that the presets took when they were measured last."""
    seconds = 0.0
    for job in jobs:
        found = record.read(docs, job.lab, job.preset)
        spent = [run["cpu_seconds"] for run in found["runs"]] if found else []
        seconds += sum(spent) / len(spent) if spent else GUESS
    return seconds / at_a_time / 3600


def pairs(labs: Labs) -> Iterator[tuple[str, str, str]]:
    """Which presets are compared: both of a pair of twins, and those that a text divides by each other."""
    for lab, entry in labs.items():
        for name, preset in entry["presets"].items():
            if preset.get("twin"):
                yield lab, name, preset["twin"]
        for first, second in ratios(entry):
            yield lab, first, second


def changed_files(root: Path = ROOT) -> list[str]:
    """Files of ours that differ from the commit; [] outside a checkout."""
    ask = ["git", "-C", str(root), "status", "--porcelain", "--", *OURS]
    told = subprocess.run(ask, capture_output=True, text=True)
    return [line[3:] for line in told.stdout.splitlines()]
