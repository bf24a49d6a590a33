"""What `make science` measured of a preset and its twin: the committed numbers with their intervals, and where a new run lies in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from engine.core.nonfinite import number as plain
from engine.declare.records import MEASURED, printed_band, printed_pair, record, same_runs
from engine.labs.common.noise_floors import with_floors
from engine.runs.series import metric_words, split_key
from pages.parts.runs.story import FREE
from pages.parts.words import number

DRAW = "Runs are chaotic at the level of rounding: the same seed on another processor is another draw."

Record = Mapping[str, Any]


def measured(lab: Mapping[str, Any], name: str, runs: Mapping[str, str | None], show: Callable[[str], Mapping[str, Any] | None]) -> None:
    """A table of medians with the interval in which 9 of 10 new runs lie; nothing is shown as measured that was not.

    `runs`: ended run -> its preset.  Each is placed into the band of its preset; `show`, the document of a run, is asked only for
    those of which there is a band.
    """
    presets = lab["presets"]
    broken = presets[name].get("broken") or name
    names = [n for n in (broken, presets[broken]["twin"]) if n]
    found = {n: one for n in names if (one := record_of(lab, n))}
    if not found:
        st.caption("This preset has not been measured yet.")
        return
    shows = [document for run, preset in runs.items() if preset in found and (document := show(run))]
    mine = {run["run"]: (preset, run) for run in shows if (preset := _drawn_from(lab, run, found))}
    shown = with_floors(lab.get("headline", ()))
    keys = sorted({key for one in found.values() for key in one["summary"] if _belongs(key, shown)})
    pair = list(found) if len(found) == 2 else []
    head = [
        "at the end",
        *(f"`{n}`" for n in found),
        *(["on the same seed"] if pair else []),
        *(f"your run ({p})" for p, _ in mine.values()),
    ]
    lines = [f"| {' | '.join(head)} |", "| --- |" + " --- |" * (len(head) - 1)]
    for key in keys:
        cells = [metric_words(key.removesuffix("|last")), *(printed_band(one, key) or "–" for one in found.values())]
        cells += [_compared(found[pair[0]], found[pair[1]], key)] if pair else []
        cells += [_placed(found[preset], run, key) for preset, run in mine.values()]
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    st.markdown("\n".join(lines))
    first = next(iter(found.values()))
    where = first["environment"]
    meaning = (
        f"Median of {len(first['seeds'])} seeds; in brackets the interval in which 9 of 10 new runs lie, and n, for each number by itself."
    )
    origin = f"Measured {first['date']} on {where['device']}, torch {where['versions']['torch']}."
    st.caption(f"{meaning} {origin} {DRAW}")


def record_of(lab: Mapping[str, Any], name: str) -> Record | None:
    """What was measured of the preset, or of another with the very same knobs: a ladder's own is one of its arms."""
    return next((one for n in same_runs(lab["presets"], name) if (one := record(MEASURED / lab["lab"] / f"{n}.json"))), None)


def _belongs(key: str, shown: frozenset[str]) -> bool:
    metric, _, stat = key.rpartition("|")
    return stat == "last" and split_key(metric)[0] in shown


def _compared(first: Record, second: Record, key: str) -> str:
    """The ratio (or difference) of both presets seed by seed; "–" where the runs do not hold it."""
    told = printed_pair(first, second["preset"], key)
    kind = first["paired"].get(second["preset"], {}).get(key, {}).get("kind")
    return f"{'×' if kind == 'ratio' else 'difference'} {told}" if told else "–"


def _drawn_from(lab: Mapping[str, Any], run: Mapping[str, Any], records: Mapping[str, Record]) -> str | None:
    """The measured preset of which an ended run is one more draw; None when its declaration differs in more than a seed."""
    preset = run.get("preset")
    if preset not in records or run.get("lab") != lab["lab"]:
        return None
    then, now = records[preset]["knobs"], run.get("knobs", {})
    differing = {name for name in then.keys() | now.keys() if then.get(name) != now.get(name)}
    return preset if differing <= FREE and run["steps"] == int(then["steps"]) else None


def _placed(one: Record, run: Mapping[str, Any], key: str) -> str:
    """The run's own number, and whether it lies in the interval."""
    metric, band = run["metrics"].get(key.removesuffix("|last")), one["summary"].get(key)
    if metric is None or band is None:
        return "–"
    value, low, high = plain(metric["last"]), plain(band["low"]), plain(band["high"])
    if value is None or low is None or high is None:
        return number(value)
    return f"{number(value)}: {'inside' if low <= value <= high else 'outside'}"
