"""The check of all intervals against seeds that no record has seen: docs/measured/check.json.

Of a 90 % prediction interval nine of ten new runs lie inside.  Intervals of no width are not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.core.files import write_json
from engine.core.nonfinite import number
from engine.docs.measure import record
from engine.statistics.interval import Band

POOLED, EACH = 0.8, 0.5  # of the intervals of all presets, of one preset

Counts = dict[str, int]


def inside(document: Mapping[str, Any], runs: Iterable[Mapping[str, Any]]) -> Counts:
    """How many of the new runs' numbers lie in the intervals of a record, of how many."""
    held = of = 0
    for run in runs:
        whole = int(run["steps"]) >= int(document["knobs"]["steps"])
        for key, stored in document["summary"].items():
            band, value = Band.read(stored), number(run["values"].get(key))
            if band.low is None or band.low == band.high or value is None or not (whole or key.startswith("event/")):
                continue
            held, of = held + bool(band.holds(value)), of + 1
    return {"inside": held, "of": of}


def document(
    seeds: Sequence[int], records: Mapping[str, Mapping[str, Any]], counts: Mapping[str, Counts], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of check.json.  `records`: LAB/PRESET -> record; each is named with the hash that was checked."""
    held, of = sum(one["inside"] for one in counts.values()), sum(one["of"] for one in counts.values())
    return {
        "format": record.FORMAT,
        "seeds": list(seeds),
        "device": provenance["device"],
        "commit": provenance["commit"],
        "date": time.strftime("%Y-%m-%d"),
        "pooled": {"inside": held, "of": of},
        "presets": {name: {**counts[name], "hash": records[name]["sources"]["hash"], "date": records[name]["date"]} for name in counts},
    }


def write(docs: Path, checked: Mapping[str, Any]) -> None:
    """Write check.json; what the line `check` in UNMEASURED said is over."""
    write_json(docs / "check.json", checked)
    record.measured(docs, "check")


def complaints(checked: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What does not hold, each in one sentence: too few inside, or a record that was measured again since."""
    out = []
    share = checked["pooled"]["inside"] / max(1, checked["pooled"]["of"])
    if share < POOLED:
        out.append(f"Only {share:.0%} of all intervals hold the new seeds; at least {POOLED:.0%} must.")
    for name, one in checked["presets"].items():
        if one["of"] and one["inside"] / one["of"] < EACH:
            out.append(f"{name}: {one['inside']} of {one['of']} intervals hold the new seeds; at least half must.")
    for name, found in records.items():
        then = checked["presets"].get(name)
        if then is None or then["date"] != found["date"] or (then["hash"] != found["sources"]["hash"] and not found["confirmed"]):
            out.append(f"{name} was measured after the check; run it again.")
    return out
