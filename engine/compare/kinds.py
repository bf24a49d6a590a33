"""What is known of a metric before any run: which way is better, what its values can be, and which levels of it the lab watches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.statistics.arm import PLAIN
from engine.statistics.difference import Better
from engine.statistics.interval import Kind

LOWER = ("loss", "rmse", "error", "consistency_error", "energy_distance", "fd_small", "kernel_mmd")  # families in which less is better
HIGHER = ("accuracy", "mode_coverage")

Labs = Mapping[str, Any]  # the document of `labs --json`


def better(metric: str) -> Better | None:
    """Which way is better, by the family of the metric; None where its name does not say it."""
    family = metric.partition("/")[0]
    return "lower" if family in LOWER else "higher" if family in HIGHER else None


def worst(metric: str) -> Better:
    """On which side a diverged run stands: the worse one; above every number where the metric has none, for what breaks grows."""
    return better(metric) or "lower"


def kind_of(labs: Labs, metric: str, knobs: Mapping[str, Any]) -> Kind:
    """Scale and bounds of a metric's values; what nothing is known of can be any number.  `knobs`: of all arms alike."""
    one = _described(labs, metric)
    return _kind(one, knobs) if "of" in one else PLAIN


def about(labs: Labs, metric: str) -> str:
    """What its probe says that a metric is; "" where nothing is known of it."""
    return str(_described(labs, metric).get("about", ""))


def _described(labs: Labs, metric: str) -> Mapping[str, Any]:
    every = (one for probe in labs.get("probes", ()) for one in probe.get("metrics", ()))
    return next((one for one in every if one["name"] == metric), {})


def _kind(one: Mapping[str, Any], knobs: Mapping[str, Any]) -> Kind:
    of = one["of"]
    if isinstance(of, str):
        count = knobs.get(of)
        if type(count) is not int:  # not the same in all arms
            return Kind(share=bool(one["share"]), low=0.0, high=1.0 if one["share"] else math.inf)
        of = count
    low, high = (otherwise if one[end] is None else float(one[end]) for end, otherwise in (("low", -math.inf), ("high", math.inf)))
    return Kind(of=int(of), share=bool(one["share"]), whole=bool(one["whole"]), low=low, high=high)


def levels(labs: Labs, lab: str, metric: str) -> list[float]:
    """The levels of a metric that the lab watches, in its own order."""
    for one in labs.get("labs", ()):
        if one["lab"] == lab:
            return [float(level) for level in one.get("thresholds", {}).get(metric, ())]
    return []
