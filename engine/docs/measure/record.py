"""The record of one preset: its runs, the band of every number, the pairs with other presets.  Format 2."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.core import sources
from engine.core.catalog import Catalog
from engine.core.files import write_json
from engine.core.nonfinite import jsonable, number
from engine.declare import records
from engine.declare.records import FORMAT
from engine.labs.probe import Metric, Probe
from engine.runs.series import split_key
from engine.statistics.interval import Kind, band
from engine.statistics.pairs import pair

SEEDS = 8  # at least so many, for a number in a text
STEPS = ("peak_step", "return_step")

Document = dict[str, Any]


def document(
    lab: str,
    preset: str,
    knobs: Mapping[str, Any],
    decides: Mapping[str, str],
    runs: Sequence[Mapping[str, Any]],
    kinds: Mapping[str, Metric],
) -> Document:
    """The record of runs that differ in their seed only.  `decides`: file -> hash of the sources; `kinds`: metrics by name."""
    first = runs[0]["provenance"]
    ordered = sorted(runs, key=lambda run: run["seed"])
    kept = [{k: run[k] for k in ("seed", "status", "steps", "cpu_seconds", "values")} for run in ordered]
    return {
        "format": FORMAT,
        "lab": lab,
        "preset": preset,
        "knobs": {name: jsonable(value) for name, value in knobs.items()},
        "seeds": [run["seed"] for run in kept],
        "commit": first["commit"],
        "sources": {"hash": sources.digest(decides), "files": dict(decides)},
        "environment": {
            "device": first["device"],
            "versions": {"python": first["python"], **first["packages"]},
            "variables": first.get("environment", {}),
        },
        "data": first["data"],
        "date": time.strftime("%Y-%m-%d"),
        "confirmed": [],
        "summary": summary(kept, knobs, kinds),
        "paired": {},
        "film": {"curves": {str(run["seed"]): run["curve"] for run in ordered if run["curve"]}, "vectors": ordered[0]["vectors"]},
        "runs": kept,
    }


def summary(runs: Sequence[Mapping[str, Any]], knobs: Mapping[str, Any], kinds: Mapping[str, Metric]) -> dict[str, Any]:
    """METRIC|STAT -> its band over the seeds."""
    return {key: band(column(runs, knobs, key), kind_of(key, knobs, kinds)).json() for key in keys(runs)}


def keys(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every METRIC|STAT that any of the runs holds."""
    return sorted({key for run in runs for key in run["values"]})


def column(runs: Iterable[Mapping[str, Any]], knobs: Mapping[str, Any], key: str) -> list[float | None]:
    return list(by_seed(runs, knobs, key).values())


def by_seed(runs: Iterable[Mapping[str, Any]], knobs: Mapping[str, Any], key: str) -> dict[int, float | None]:
    """Seed -> value.  None where a run ended before its last step, unless the key tells of an event."""
    whole = int(knobs["steps"])
    return {run["seed"]: number(run["values"].get(key)) if int(run["steps"]) >= whole or key.startswith("event/") else None for run in runs}


def metrics() -> dict[str, Metric]:
    """Every metric of every probe by its name; a name that ends in "…" stands for all that begin like it."""
    return {metric.name: metric for probe in Catalog("probes", Probe).load()[0].values() for metric in probe.metrics}


def kind_of(key: str, knobs: Mapping[str, Any], kinds: Mapping[str, Metric]) -> Kind:
    """What the number under METRIC|STAT can be, for its scale and bounds."""
    name, _, stat = key.rpartition("|")
    if name.startswith("event/") or stat in STEPS or stat.startswith("below("):
        return Kind(whole=True, low=0.0, high=math.inf if stat == "count" else float(knobs["steps"]))
    metric = kinds.get(split_key(name)[0])
    if metric is None:
        return Kind()
    of = int(knobs.get(metric.of, 0)) if isinstance(metric.of, str) else metric.of
    if stat == "late50":  # a mean of counts is no count
        high = (1.0 if metric.share else float(of)) if of else metric.high
        return Kind(low=0.0 if of else metric.low, high=high)
    return Kind(of=of, share=metric.share, whole=metric.whole, low=metric.low, high=metric.high)


def read(docs: Path, lab: str, preset: str) -> Document | None:
    """The record of a preset, if there is one of today's format."""
    return records.record(docs / lab / f"{preset}.json")


def of_all(docs: Path) -> dict[str, Document]:
    """LAB/PRESET -> its record, of every record of today's format."""
    paths = sorted(docs.glob("*/*.json"))
    of_today = ((path.relative_to(docs).with_suffix("").as_posix(), records.record(path)) for path in paths)
    return {name: document for name, document in of_today if document is not None}


def write(docs: Path, record: Document) -> None:
    """Write one record; what the preset's line in UNMEASURED said is over."""
    path = docs / record["lab"] / f"{record['preset']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, record)
    measured(docs, f"{record['lab']}/{record['preset']}")


def redraw(docs: Path, chosen: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Draw bands anew from the recorded numbers where what is known of a metric (its bounds, what it counts) gives others -> those."""
    kinds = metrics()
    for lab, preset in chosen:
        found = read(docs, lab, preset)
        bands = found and summary(found["runs"], found["knobs"], kinds)
        if found and repr(bands) != repr(found["summary"]):
            write(docs, {**found, "summary": bands})
            yield f"{lab}/{preset}"


def measured(docs: Path, name: str) -> None:
    """Take a name out of UNMEASURED, where there is such a list."""
    path = docs / "UNMEASURED"
    if path.exists():
        path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines() if line != name))


def pair_up(docs: Path, wanted: Iterable[tuple[str, str, str]]) -> None:
    """Fill `paired` of every record from the runs of both presets.  `wanted`: (lab, preset, other preset)."""
    by_preset: dict[tuple[str, str], set[str]] = {}
    for lab, preset, other in wanted:
        by_preset.setdefault((lab, preset), set()).add(other)
    for (lab, preset), others in by_preset.items():
        mine = read(docs, lab, preset)
        if mine is None:
            continue
        paired = {}
        for other in sorted(others):
            theirs = read(docs, lab, other)
            if theirs is not None:
                paired[other] = pairs(mine, theirs)
        if paired != mine["paired"]:
            write(docs, {**mine, "paired": paired})


def pairs(mine: Document, theirs: Document) -> dict[str, Document]:
    """The comparison of two presets, for every number that both hold on a seed of both."""
    out = {}
    for key in sorted(set(mine["summary"]) & set(theirs["summary"])):
        found = pair(by_seed(mine["runs"], mine["knobs"], key), by_seed(theirs["runs"], theirs["knobs"], key))
        if found.n:
            out[key] = found.json()
    return out
