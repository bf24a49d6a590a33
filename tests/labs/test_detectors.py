"""What every detector promises: it fires where its example says, never looks ahead, and leaves clean curves alone."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.catalog import Catalog
from engine.labs.common.detectors.divergence import Divergence
from engine.labs.common.detectors.loss_spike import LossSpike
from engine.labs.common.detectors.nonfinite import NonFinite
from engine.labs.detector import Detector
from engine.runs.event import Event

DETECTORS, BROKEN = Catalog("detectors", Detector).load()
EACH = pytest.mark.parametrize("name", DETECTORS)


def fired(detector: Detector, readings: list[dict[str, float]], first: int = 0) -> list[Event]:
    return [event for step, reading in enumerate(readings, first) for event in detector.update(step, reading)]


def losses(values: list[float]) -> list[dict[str, float]]:
    return [{"loss/train": value} for value in values]


def test_every_file_in_the_folder_is_a_detector() -> None:
    assert not BROKEN
    assert set(DETECTORS) >= {"nonfinite", "loss_spike", "divergence"}


@EACH
def test_a_detector_fires_exactly_where_its_example_says(name: str) -> None:
    readings, expected = DETECTORS[name].example()
    events = fired(DETECTORS[name](), readings)
    assert [event.step for event in events] == expected
    assert expected
    for event in events:
        assert event.rule == name
        assert event.kind
        assert event.message.endswith(".")


@EACH
def test_cutting_the_future_changes_nothing(name: str) -> None:
    readings, expected = DETECTORS[name].example()
    whole = fired(DETECTORS[name](), readings)
    for cut in {*expected, *(step + 1 for step in expected), len(readings) // 2}:
        assert repr(fired(DETECTORS[name](), readings[:cut])) == repr([event for event in whole if event.step < cut])


@EACH
def test_a_detector_goes_on_from_its_saved_state(name: str) -> None:
    readings, expected = DETECTORS[name].example()
    whole = fired(DETECTORS[name](), readings)
    for cut in {1, *expected, len(readings) // 2}:
        first, second = DETECTORS[name](), DETECTORS[name]()
        before = fired(first, readings[:cut])
        second.load(first.state())
        fired(first, readings[cut:])  # the state was a copy
        assert repr(before + fired(second, readings[cut:], cut)) == repr(whole), "as text, in which NaN equals NaN"


@EACH
def test_a_state_of_another_version_changes_nothing(name: str) -> None:
    detector = DETECTORS[name]()
    before = detector.state()
    assert before["version"] == DETECTORS[name].version
    with pytest.raises(ValueError, match=f"version {DETECTORS[name].version + 1} "):
        detector.load({**before, "version": DETECTORS[name].version + 1, "unheard_of": 1})
    assert detector.state() == before
    with pytest.raises(ValueError, match="state is of version 1 "):  # written before states had one
        detector.load({key: value for key, value in before.items() if key != "version"})


def clean_curves() -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Healthy trainings of many kinds: falling, noisy, flat, grokking, with a falling and rising gradient."""
    for seed in range(8):
        dice = random.Random(seed)
        noise = [dice.gauss(0, 1) for _ in range(1200)]
        yield (
            f"language {seed}",
            both([2.2 + 3.4 * math.exp(-n / 60) + 0.05 * e for n, e in enumerate(noise)], [0.5 * math.exp(0.3 * e) for e in noise]),
        )
        yield f"noisy {seed}", both([dice.expovariate(1.0) for _ in noise], [dice.expovariate(1.0) for _ in noise])
        yield f"flat {seed}", both([1.0 + 1e-6 * e for e in noise], [1e-3] * len(noise))
        late = [4.6 if n < 600 else 4.6 * math.exp(-(n - 600) / 30) + 1e-3 for n in range(1200)]
        yield f"late {seed}", both(late, [1e-3 + value * math.exp(0.5 * e) for value, e in zip(late, noise, strict=True)])
        yield (
            f"waking {seed}",
            both([math.exp(-n / 300) for n in range(1200)], [0.1 + 0.5 * min(1, n / 400) + 0.02 * abs(e) for n, e in enumerate(noise)]),
        )


def both(loss: list[float], norm: list[float]) -> list[dict[str, float]]:
    return [{"loss/train": a, "grad_norm": b} for a, b in zip(loss, norm, strict=True)]


@EACH
def test_a_clean_curve_is_left_alone(name: str) -> None:
    for curve_name, readings in clean_curves():
        if (name, curve_name.split()[0]) == ("loss_spike", "noisy"):
            continue  # one value in 400 of an exponential noise is a spike by any rule
        assert not fired(DETECTORS[name]({"warmup": 20}), readings), curve_name


@EACH
def test_a_step_without_readings_is_no_news(name: str) -> None:
    detector = DETECTORS[name]()
    before = detector.state()
    assert not detector.update(3, {})
    assert detector.state() == before


# -- loss_spike ----------------------------------------------------------------------------------------


def test_a_spike_waits_for_the_warm_up_and_for_a_full_window() -> None:
    curve = [1.0 + 0.01 * (n % 7) for n in range(200)]
    curve[63] = curve[64] = curve[90] = curve[120] = 5.0
    assert [e.step for e in fired(LossSpike({"warmup": 0}), losses(curve))] == [64, 90, 120]
    assert [e.step for e in fired(LossSpike({"warmup": 100}), losses(curve))] == [120]


def test_a_plateau_is_one_spike_told_at_its_onset() -> None:
    curve = [1.0 + 0.01 * (n % 7) for n in range(100)] + [3.0] * 25 + [1.0] * 80
    events = fired(LossSpike(), losses(curve))
    assert [e.step for e in events] == [100]
    assert events[0].value == 3.0
    assert events[0].threshold is not None
    assert 1.0 < events[0].threshold < 1.6
    assert "z = " in events[0].message
    assert "z > 6" in events[0].message


def test_the_z_of_a_spike_is_the_median_and_mad_of_the_64_values_before_it() -> None:
    import numpy as np

    dice = random.Random(1)
    curve = [math.exp(0.1 * dice.uniform(-1, 1)) for _ in range(100)] + [9.0]
    (event,) = fired(LossSpike(), losses(curve))
    before = np.log(curve[36:100])
    scale = 1.4826 * np.median(np.abs(before - np.median(before))) + 1e-3
    z = (math.log(9.0) - np.median(before)) / scale
    assert f"z = {z:.1f} " in event.message
    assert event.threshold == pytest.approx(math.exp(np.median(before) + 6 * scale))


def test_where_single_batches_go_far_down_a_spike_must_pass_twice_the_deepest_dip() -> None:
    import numpy as np

    calm = [1.0 + 0.01 * (n % 7) for n in range(200)]
    dips, high = list(calm), 1.3
    dips[150] = 0.5
    calm[190] = dips[190] = high
    assert [e.step for e in fired(LossSpike(), losses(calm))] == [190]
    assert not fired(LossSpike(), losses(dips)), "down by a factor of 2 at one batch, up by 1.3 at another: noise"
    dips[195] = 9.0
    (event,) = fired(LossSpike(), losses(dips))

    def spread(before: list[float]) -> tuple[float, float]:
        logs = np.log(before)
        return np.median(logs), 1.4826 * np.median(np.abs(logs - np.median(logs))) + 1e-3

    middle, scale = spread(dips[87:151])
    deepest = (min(math.log(dips[149]), math.log(dips[151]), middle) - math.log(0.5)) / scale
    middle, scale = spread(dips[131:195])
    assert event.threshold == pytest.approx(math.exp(middle + 2 * deepest * scale))


def test_a_level_that_falls_for_good_is_no_dip() -> None:
    curve = [1.0 + 0.01 * (n % 7) for n in range(300)]
    curve[100:160] = [3.0 * value for value in curve[100:160]]
    curve[250] = 1.5
    assert [e.step for e in fired(LossSpike(), losses(curve))] == [100, 250]


@pytest.mark.parametrize("offset", [0.0, -10.0])
def test_losses_without_a_logarithm_are_judged_on_their_own_scale(offset: float) -> None:
    curve = [offset + 0.01 * (n % 7) for n in range(200)]
    curve[100] = offset + 1.0
    curve[150] = offset - 1.0
    curve[160] = math.nan
    assert [e.step for e in fired(LossSpike(), losses(curve))] == [100], "neither a fall nor what is no number is a spike"


# -- nonfinite and divergence --------------------------------------------------------------------------


def test_one_onset_however_long_it_stays_non_finite() -> None:
    curve = [1.0] * 5 + [math.nan, math.inf] * 100
    events = fired(NonFinite(), losses(curve))
    assert [e.step for e in events] == [5]
    assert events[0].json()["value"] == "NaN"


def test_a_value_that_is_non_finite_from_the_first_step_is_told() -> None:
    assert [e.step for e in fired(NonFinite(), losses([math.inf] * 3))] == [0]


@pytest.mark.parametrize(
    ("curve_name", "curve", "steps"),
    [
        ("not a number from the start", [math.nan] * 120, [49]),
        ("alternating", [1.0] * 100 + [math.nan, 50.0] * 60, [153]),
        ("49 steps are not enough", [1.0] * 100 + [math.nan] * 49 + [1.0] * 100, []),
        ("a burst of five steps", [5.5 * math.exp(-n / 40) + 2.2 for n in range(150)] + [6.3] * 5 + [2.4] * 245, []),
        ("explosion in the first steps", [1.0, 1.1, 1.0, 1.0, 1.1] + [min(1e9, 1.5**n) for n in range(200)], [64]),
        ("back to where it began, which is no divergence", [5.5] + [2.0] * 100 + [5.4] * 300, []),
    ],
)
def test_the_divergence_rule(curve_name: str, curve: list[float], steps: list[int]) -> None:
    assert [e.step for e in fired(Divergence(), losses(curve))] == steps


def test_a_gradient_norm_that_leaves_for_good_is_a_divergence() -> None:
    norms = [1.0 + 0.5 * (n % 3) for n in range(200)] + [1e3] * 100
    events = fired(Divergence(), [{"loss/train": 1.0, "grad_norm": norm} for norm in norms])
    assert [(e.step, e.threshold) for e in events] == [(253, 150.0)]
    assert "grad_norm" in events[0].message


def test_a_new_episode_is_told_again_after_the_level_came_back() -> None:
    curve = [1.0] * 100 + [9.0] * 100 + [1.0] * 400 + [9.0] * 100
    first, second = fired(Divergence(), losses(curve))
    assert 149 <= first.step < 170
    assert 649 <= second.step < 670


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=200), st.integers(0, 200))
@settings(max_examples=60)
def test_whatever_the_readings_a_detector_survives_and_is_causal(values: list[float], cut: int) -> None:
    readings: list[dict[str, Any]] = [{"loss/train": v, "grad_norm": abs(v)} for v in values]
    for kind in DETECTORS.values():
        whole = fired(kind(), readings)
        for event in whole:
            event.json()
        assert repr(fired(kind(), readings[:cut])) == repr([e for e in whole if e.step < cut])
