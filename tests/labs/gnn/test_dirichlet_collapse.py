"""The rule on the Dirichlet energy: its limit is that of the verdict, over-smoothing fires it and healthy runs do not."""

from __future__ import annotations

import json
import math

import pytest

from engine.declare.records import MEASURED
from engine.labs.gnn._verdict import SMOOTH, Signs, verdicts
from engine.labs.gnn.detectors.dirichlet_collapse import METRIC, DirichletCollapse
from engine.runs.event import Event

HEALTHY = ("ring", "ring_cured", "barbell", "barbell_cured", "under_reach_cured", "clique_path_5", "width_32", "rewirings_random")


def fired(ratios: list[float], every: int = 10) -> list[Event]:
    """Of one reading in every tenth step, as the probe has it."""
    rule = DirichletCollapse()
    return [event for n, ratio in enumerate(ratios) for event in rule.update(every * n, {METRIC: ratio})]


def measured(preset: str, statistic: str) -> list[float]:
    """One number for each seed of the record."""
    runs = json.loads((MEASURED / "gnn" / f"{preset}.json").read_text("utf-8"))["runs"]
    return [float(run["values"][f"{METRIC}|{statistic}"]) for run in runs]


@pytest.mark.parametrize("preset", HEALTHY)
def test_it_is_silent_on_every_seed_of_a_healthy_preset_even_if_its_least_ratio_stayed(preset: str) -> None:
    for least in measured(preset, "min"):
        assert fired([least] * 30) == []


def test_it_fires_once_on_every_seed_of_over_smoothing_even_if_its_largest_ratio_stayed() -> None:
    for most in measured("over_smoothing", "max"):
        (event,) = fired([most] * 30)
        assert (event.step, event.value, event.threshold, event.kind) == (50, most, SMOOTH, "collapse")
        assert "less than 0.001 of the first layer's Dirichlet energy" in event.message


@pytest.mark.parametrize("ratio", [0.0, 1e-40, SMOOTH / 1.01, SMOOTH * 1.01, 1.0, math.nan])
def test_it_fires_where_the_verdict_says_over_smoothing_and_where_nothing_is_known(ratio: float) -> None:
    smooth = any(name == "over-smoothing" for name, _ in verdicts(Signs(energy=ratio)))
    events = fired([ratio] * 10)
    assert bool(events) == (smooth or math.isnan(ratio))
    for event in events:
        assert event.value == ratio or math.isnan(ratio)
        assert ("NaN" in event.message) == math.isnan(ratio)


def test_a_short_fall_is_no_collapse_and_a_second_one_is_told_again() -> None:
    assert fired([1.0] * 5 + [1e-5] * 5 + [1.0] * 5) == []
    first, second = fired([1.0] * 5 + [1e-5] * 9 + [0.5] + [1e-5] * 9)
    assert (first.step, second.step) == (100, 200)
