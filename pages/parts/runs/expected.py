"""Which series a young run will have: those of an earlier run of its preset, so that each chart has its place from the start."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from engine.labs.chart import Chart
from engine.labs.probe import PRICES
from engine.runs.folder import run_folder
from engine.runs.series import SeriesInfo, series_key, split_key
from engine.server.service import service
from pages.parts.runs.measured import record_of
from pages.parts.runs.story import changed_knobs

AT_ONCE = ("loss/train", "loss/validation", "grad_norm")  # what every training measures: drawn before the first point
MOST_LOOKED_AT = 5  # earlier runs whose declarations are read


def expected(lab: Mapping[str, Any] | None, probes: Sequence[Mapping[str, Any]], spec: Mapping[str, Any]) -> list[SeriesInfo]:
    """Of a preset whose knobs are unchanged what its record holds, and the vectors of the probes that made it; else what all runs have."""
    one = record_of(lab, spec.get("preset") or "") if lab and changed_knobs(lab, spec) == {} else None
    if lab is None or one is None:
        return [SeriesInfo(name) for name in AT_ONCE]
    scalars = [split_key(key.removesuffix("|last")) for key in one["summary"] if key.endswith("|last")]
    layers: dict[str, list[str]] = {}  # family of a metric -> the layers in which it is measured
    for name, layer in scalars:
        layers.setdefault(name.partition("/")[0], []).append(layer)
    names = {name for name, _ in scalars}
    out = {series_key(name, layer): SeriesInfo(name, layer) for name, layer in scalars}
    price = str(spec["knobs"].get("probes", "cheap"))
    for probe in probes:
        single = {metric["name"] for metric in probe["metrics"] if metric["kind"] == "scalar"}
        if not _attaches(probe, lab, price) or (single and not single & names):
            continue
        for metric in probe["metrics"]:
            if metric["kind"] == "vector":
                where = dict.fromkeys(layers.get(metric["name"].partition("/")[0], ())) if metric["layered"] else {"": None}
                out |= {series_key(metric["name"], layer): SeriesInfo(metric["name"], layer, kind="vector") for layer in where}
    return list(out.values())


def of_run(run: str) -> list[SeriesInfo]:
    """Every series that the index has of a run."""
    found = service().store.names(run)
    return [SeriesInfo(s["name"], s["layer"], s["unit"], s["kind"], tuple(s["shape"] or ())) for s in found]


def of_chart(chart: Chart | None, metric: str) -> list[SeriesInfo]:
    """What the chart of the deciding metric needs, so that no other one stands in its place before its first point."""
    layer = split_key(metric)[1] if chart and chart.layered else ""
    return [SeriesInfo(need, layer) for need in chart.needs] if chart else []


def of_an_earlier_run(lab: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> list[SeriesInfo]:
    """What the newest whole run of the same preset on this machine has, if the knobs of both are unchanged; [] where there is none."""
    if lab is None or not spec.get("preset") or changed_knobs(lab, spec) != {}:
        return []
    alike = [row for row in service().store.runs() if (row["lab"], row["preset"]) == (spec["lab"], spec["preset"])]
    for row in [row for row in reversed(alike) if row["status"] in ("finished", "diverged")][:MOST_LOOKED_AT]:
        with contextlib.suppress(KeyError):  # deleted meanwhile
            other = run_folder(service().data, row["run"]).spec() or {}
            if other and changed_knobs(lab, other) == {} and other["knobs"].get("probes") == spec["knobs"].get("probes"):
                return of_run(row["run"])
    return []


def _attaches(probe: Mapping[str, Any], lab: Mapping[str, Any], price: str) -> bool:
    allowed = PRICES[: PRICES.index(price) + 1] if price in PRICES else PRICES  # type: ignore[arg-type]
    return probe["price"] in allowed and (not probe["needs"] or probe["needs"] in lab["provides"])
