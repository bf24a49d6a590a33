"""The check of all intervals against seeds that no record has seen: docs/measured/check.json.

Of a 90 % prediction interval nine of ten new runs lie inside.  Intervals of no width are not counted.  A preset is checked once for
each measurement of it; one that is measured again is checked again, and the others stay.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.core.files import read_json, write_json
from engine.core.nonfinite import number
from engine.docs.measure import record
from engine.statistics.interval import Band

POOLED, EACH = 0.8, 0.5  # of the intervals of all presets, of one preset
NAME = "check"  # of the file, and of the line in UNMEASURED that stands while a record has no check

Checked = Mapping[str, Mapping[str, Any]]  # LAB/PRESET -> what its check found
Records = Mapping[str, Mapping[str, Any]]  # LAB/PRESET -> its record


def inside(document: Mapping[str, Any], runs: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many of the new runs' numbers lie in the intervals of a record, of how many.

    A whole run that never came to what every recorded run came to (a level, an event) lies outside; where some of those did not come
    to it either, the interval is of those that did, and says nothing of it.
    """
    held = of = 0
    for run in runs:
        whole = int(run["steps"]) >= int(document["knobs"]["steps"])
        for key, stored in document["summary"].items():
            band, value = Band.read(stored), number(run["values"].get(key))
            if band.low is None or band.low == band.high or not (whole or key.startswith("event/")):
                continue
            if value is None and not (whole and band.n == band.of and key in run["values"]):
                continue
            held, of = held + (value is not None and bool(band.holds(value))), of + 1
    return {"inside": held, "of": of}


def of_preset(measured: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What check.json keeps of one preset: the counts, the new seeds, where they ran, and which measurement they were held against."""
    where = runs[-1]["provenance"]
    return {
        **inside(measured, runs),
        "seeds": [run["seed"] for run in runs],
        "device": where["device"],
        "commit": where["commit"],
        "checked": time.strftime("%Y-%m-%d"),
        "hash": measured["sources"]["hash"],
        "date": measured["date"],
    }


def read(docs: Path) -> dict[str, dict[str, Any]]:
    """LAB/PRESET -> what was found, of all that were checked; {} where nothing was."""
    return dict((read_json(docs / f"{NAME}.json") or {"presets": {}})["presets"])


def write(docs: Path, checked: Checked, records: Records) -> None:
    """Write check.json of the presets that have a record; once each has its check, the line `check` leaves UNMEASURED."""
    kept = {name: checked[name] for name in sorted(records) if name in checked}
    write_json(docs / f"{NAME}.json", {"format": record.FORMAT, "pooled": pooled(kept), "presets": kept})
    if not any(due(checked, name, document) for name, document in records.items()):
        record.measured(docs, NAME)


def pooled(checked: Checked) -> dict[str, int]:
    return {part: sum(one[part] for one in checked.values()) for part in ("inside", "of")}


def due(checked: Checked, name: str, measured: Mapping[str, Any]) -> bool:
    """Whether a record has no check, or was measured (not only confirmed) since."""
    then = checked.get(name)
    return then is None or then["date"] != measured["date"] or (then["hash"] != measured["sources"]["hash"] and not measured["confirmed"])


def complaints(checked: Checked, records: Records) -> list[str]:
    """What does not hold, each in one sentence: too few inside, or a record that was measured again since."""
    out, all_of_them = [], pooled(checked)
    share = all_of_them["inside"] / max(1, all_of_them["of"])
    if checked and share < POOLED:
        out.append(f"Only {share:.0%} of all intervals hold the new seeds; at least {POOLED:.0%} must.")
    for name, one in checked.items():
        if one["of"] and one["inside"] / one["of"] < EACH:
            out.append(f"{name}: {one['inside']} of {one['of']} intervals hold the new seeds; at least half must.")
    again = "python -m engine.docs.measure --check 9-12"
    out += (f"{name} was measured after its check; {again}." for name, document in records.items() if due(checked, name, document))
    return out
