"""The verdict of each run of the page, from what the index has now."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.core.nonfinite import number
from engine.declare.knobs import unnest
from engine.labs.verdict import Point, Readings, Verdict, first_crossing, verdict
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.runs.series import split_key
from engine.server.service import service
from pages.parts.runs.measured import record_of
from pages.parts.runs.story import FREE, changed_knobs

OWN = {
    "chart": "losses",
    "metric": "loss/train",
    "direction": "up",
    "says": "the loss of the training batch is {value}",
}  # without a preset

Spec = Mapping[str, Any]


def deciding_of(lab: Mapping[str, Any] | None, spec: Spec) -> Mapping[str, Any]:
    """What decides this run: `decides` of its preset, else the training loss."""
    preset = (lab or {"presets": {}})["presets"].get(spec.get("preset") or "", {})
    return preset.get("decides") or OWN


def verdict_of(folder: RunFolder, spec: Spec, lab: Mapping[str, Any] | None) -> Verdict:
    """Computed again only when the run has stored something new; empty for one that was deleted meanwhile."""
    store, run = service().store, folder.run
    try:
        state, status = store.state(run), folder.status()
        complete = status in ENDED and state["status"] in ENDED
        stamp = (status, complete, state.get("step"), state.get("attempt"), store.count_events(run), store.upto(run), id(lab))
    except KeyError:
        return Verdict()
    memory: dict[str, Any] = st.session_state.setdefault("verdicts", {})
    if memory.get(run, (None,))[0] != stamp:
        memory[run] = (stamp, _verdict(run, spec, lab, status, complete))
    found: Verdict = memory[run][1]
    return found


def band_of(lab: Mapping[str, Any] | None, spec: Spec) -> Mapping[str, Any] | None:
    """What was measured of the last value of the deciding number under the preset of the run, None where nothing was."""
    one = record_of(lab, spec.get("preset") or "") if lab else None
    return one["summary"].get(f"{deciding_of(lab, spec)['metric']}|last") if one else None


def _verdict(run: str, spec: Spec, lab: Mapping[str, Any] | None, status: str, complete: bool) -> Verdict:
    decides = deciding_of(lab, spec)
    preset = (lab or {"presets": {}})["presets"].get(spec.get("preset") or "")
    level = preset.get("breaks_at") if preset else None
    with contextlib.suppress(KeyError):
        points = _points(run, decides, level)
        readings = Readings(status, service().store.events(run), points, complete, _changed(lab, spec), preset is not None)
        return verdict(readings, decides, level, band_of(lab, spec))
    return Verdict()


def _changed(lab: Mapping[str, Any] | None, spec: Spec) -> list[str]:
    """Knobs in which the run differs from its preset, as far as that can be known, or from what was measured of it."""
    changed = list(changed_knobs(lab, spec) or ())
    one = record_of(lab, spec.get("preset") or "") if lab and not changed else None
    if one is None:
        return changed
    then, now = one["knobs"], unnest(spec["knobs"])
    return [name for name in then.keys() | now.keys() if then.get(name) != now.get(name) and name not in FREE]


def _points(run: str, decides: Mapping[str, Any], level: float | None) -> list[Point]:
    """The deciding series, thinned where it is long, but whole around the first crossing of the level."""
    name, layer = split_key(decides["metric"])
    found = service().store.series(run, name, layer)
    points = _merged(found)
    if found["exact"] or level is None:
        return points
    span = first_crossing(points, level, decides["direction"])
    if span is None:
        return points
    near = _merged(service().store.series(run, name, layer, lo=span[0], hi=span[1]))
    return [*(p for p in points if p.step < span[0]), *near, *(p for p in points if p.step > span[1])]


def _merged(series: Mapping[str, Any]) -> list[Point]:
    """Finite and other readings in one row, by step."""
    odd = [Point(int(step), value) for step, _, said in series["nonfinite"] if (value := number(said)) is not None]
    return sorted([*(Point(int(s), float(v)) for s, v in zip(series["steps"], series["values"], strict=True)), *odd], key=lambda p: p.step)
