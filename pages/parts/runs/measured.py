"""What `make science` measured of a preset and its twin: the committed numbers, with seeds, device, versions and date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.core.files import read_json
from engine.core.nonfinite import number as plain
from engine.core.paths import ROOT
from engine.labs.common.noise_floors import with_floors
from engine.runs.series import split_key
from pages.parts.words import number

MEASURED = ROOT / "docs" / "measured"


def measured(lab: str, presets: Mapping[str, Any], name: str) -> None:
    """A table of ranges over the seeds; nothing is shown as measured that was not."""
    broken = presets[name].get("broken") or name
    names = [n for n in (broken, presets[broken]["twin"]) if n]
    found = {n: told for n in names if (told := _document(lab, presets, n))}
    if not found:
        st.caption("This preset has not been measured yet.")
        return
    shown = with_floors(next(iter(found.values()))["shown"])
    keys = sorted({key for told in found.values() for key in told["summary"] if split_key(key)[0] in shown})
    lines = [f"| at the end | {' | '.join(f'`{n}`' for n in found)} |", "| --- |" + " --- |" * len(found)]
    lines += [f"| `{key}` | {' | '.join(_range(told, key) for told in found.values())} |" for key in keys]
    speed = _speed(found)
    st.markdown("\n".join([*lines, *speed[:1]]))
    first = next(iter(found.values()))
    seeds, versions = len(first["seeds"]), first["versions"]
    caption = f"Smallest to largest of {seeds} seeds. Measured {first['date']} on {first['device']}, torch {versions['torch']}."
    st.caption(" ".join([caption, *speed[1:]]))


def _document(lab: str, presets: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """What was measured of the preset, or of another with the very same knobs: a ladder's own is one of its arms."""
    knobs = presets.get(name, {}).get("knobs")
    same = [n for n, preset in presets.items() if n != name and knobs is not None and preset.get("knobs") == knobs]
    return next((told for n in (name, *same) if (told := read_json(MEASURED / lab / f"{n}.json"))), None)


def _speed(documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A row with the steps to the lowest level that every seed of every preset reached, and a sentence with the quotient of the means
    of two; [] where no such level was noted."""
    runs = [run.get("first_at_or_below") or {} for told in documents.values() for run in told["runs"]]
    reached = [{(metric, level) for metric, levels in run.items() for level, step in levels.items() if step is not None} for run in runs]
    common = set.intersection(*reached)
    if not common:
        return []
    metric, level = min(common, key=lambda one: float(one[1]))
    steps = {name: [run["first_at_or_below"][metric][level] for run in told["runs"]] for name, told in documents.items()}
    columns = [f"{min(s)}" if min(s) == max(s) else f"{min(s)} to {max(s)}" for s in steps.values()]
    row = f"| steps until `{metric}` is {level} | {' | '.join(columns)} |"
    if len(documents) != 2:
        return [row]
    (broken, slow), (cured, fast) = ((name, sum(s) / len(s)) for name, s in steps.items())
    return [row, f"{broken} needs {number(slow / fast)} times as many steps to that level as {cured}." if fast else ""]


def _range(document: Mapping[str, Any], key: str) -> str:
    """ "16 to 21", or one number where all seeds agree; what is not finite is named."""
    values = document["summary"].get(key)
    if values is None:
        return "–"
    low, high = (number(plain(values[end])) for end in ("min", "max"))
    return low if low == high else f"{low} to {high}"
