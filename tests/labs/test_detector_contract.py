"""What the rules together see, whatever a metric does: each odd input is caught by one of them, and noise by none."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.catalog import Catalog
from engine.labs.detector import Detector
from engine.runs.event import Event

DETECTORS, _ = Catalog("detectors", Detector).load()
METRICS = sorted({name for kind in DETECTORS.values() for name in kind.watches})
SOON = 60  # steps after the oddity within which one rule must have fired
STEPS = 320
NOISE = {  # of the logarithm, as in sound runs
    "loss/train": 0.05,
    "grad_norm": 0.3,
    "tangent/derivative": 0.3,
    "feature_norm/train": 0.1,
    "dirichlet_energy/ratio": 0.2,
}
OUT = {"feature_norm/train": 1e6, "dirichlet_energy/ratio": 1e-5}  # a squared norm: a thousandfold in length; a ratio that falls
SIZE = {"feature_norm/train": 1e4}

Curve = tuple[list[float], int]  # the values, and the step of the oddity


def sound(metric: str, level: float | None = None) -> list[float]:
    dice = random.Random(metric)
    middle = SIZE.get(metric, 1.0) if level is None else level
    return [middle * math.exp(NOISE[metric] * dice.gauss(0, 1)) for _ in range(STEPS)]


def stays(value: float, step: int) -> Callable[[str], Curve]:
    return lambda metric: ([value if n >= step else v for n, v in enumerate(sound(metric))], step)


def jump(step: int) -> Callable[[str], Curve]:
    return lambda metric: ([v * OUT.get(metric, 1e3) if n >= step else v for n, v in enumerate(sound(metric))], step)


def growth(step: int, doubling: float) -> Callable[[str], Curve]:
    """The oddity is where the growth has become as large as the jump."""

    def curve(metric: str) -> Curve:
        octaves = math.log2(OUT.get(metric, 1e3))
        most = abs(octaves) + math.log2(1e3)
        values = [v * 2.0 ** math.copysign(min(most, max(0, n - step) / doubling), octaves) for n, v in enumerate(sound(metric))]
        return values, step + math.ceil(doubling * abs(octaves))

    return curve


def below_zero(metric: str) -> list[float]:
    """A loss that falls from 1 to -3.2 in 60 steps, in units of its own."""
    dice = random.Random(metric)
    return [-3.2 + 4.2 * math.exp(-n / 15) + 0.1 * dice.gauss(0, 1) for n in range(STEPS)]


def spike_below_zero(metric: str) -> Curve:
    values = below_zero(metric)
    values[200] = -0.1
    return values, 200


def climb_back(metric: str) -> Curve:
    """From -3.2 back to 0.4 within 20 steps, which is still under the beginning."""
    return [v + 3.6 * min(1.0, max(0, n - 200) / 20) for n, v in enumerate(below_zero(metric))], 210


NOT_FINITE = {
    f"{word} {when}": stays(value, step)
    for word, value in (("NaN", math.nan), ("+inf", math.inf), ("-inf", -math.inf))
    for when, step in (("from the first step", 0), ("in the opening", 7), ("after it", 150))
}
OPENING = {f"a jump at step {step}": jump(step) for step in (3, 7, 15, 30)} | {
    f"growth from step {step}, doubling in {doubling:g}": growth(step, doubling) for step, doubling in ((0, 4), (0, 12), (5, 6), (10, 12))
}
NEGATIVE = {"a spike of a negative loss": spike_below_zero, "a negative loss climbs back": climb_back}

TABLE: Mapping[str, Mapping[str, Mapping[str, str]]] = {  # inputs -> metric -> rule -> what it does
    "not finite": {
        "loss/train": {"nonfinite": "fires", "divergence": "fires", "loss_spike": "left to nonfinite"},
        "grad_norm": {"nonfinite": "fires", "divergence": "fires"},
        "tangent/derivative": {"tangent_level": "fires"},
        "feature_norm/train": {"feature_growth": "fires"},
        "dirichlet_energy/ratio": {"dirichlet_collapse": "fires"},
    },
    "opening": {
        "loss/train": {"nonfinite": "left to divergence", "divergence": "fires", "loss_spike": "left to divergence"},
        "grad_norm": {"nonfinite": "left to divergence", "divergence": "fires"},
        "tangent/derivative": {"tangent_level": "fires"},
        "feature_norm/train": {"feature_growth": "fires"},
        "dirichlet_energy/ratio": {"dirichlet_collapse": "fires"},
    },
    "a spike of a negative loss": {
        "loss/train": {"nonfinite": "left to loss_spike", "divergence": "left to loss_spike", "loss_spike": "fires"},
    },
    "a negative loss climbs back": {
        "loss/train": {"nonfinite": "left to divergence", "divergence": "fires", "loss_spike": "fires"},
    },
}
INPUTS = [
    *(("not finite", name, make) for name, make in NOT_FINITE.items()),
    *(("opening", name, make) for name, make in OPENING.items()),
    *((name, name, make) for name, make in NEGATIVE.items()),
]


def events(rule: str, metric: str, values: list[float]) -> list[Event]:
    detector = DETECTORS[rule]()
    return [event for step, value in enumerate(values) for event in detector.update(step, {metric: value})]


def test_the_table_knows_every_rule_and_what_it_watches() -> None:
    for inputs in ("not finite", "opening"):
        listed = {(rule, metric) for metric, rules in TABLE[inputs].items() for rule in rules}
        assert listed == {(rule, metric) for rule, kind in DETECTORS.items() for metric in kind.watches}
        assert set(TABLE[inputs]) == set(METRICS)
    for metrics in TABLE.values():
        for rules in metrics.values():
            firing = {rule for rule, does in rules.items() if does == "fires"}
            assert firing
            assert {does.removeprefix("left to ") for does in rules.values()} - {"fires"} <= firing


@pytest.mark.parametrize(("inputs", "name", "make"), INPUTS, ids=[name for _, name, _ in INPUTS])
def test_every_odd_input_is_caught_soon_by_the_rules_that_the_table_names(inputs: str, name: str, make: Callable[[str], Curve]) -> None:
    for metric, rules in TABLE[inputs].items():
        values, odd = make(metric)
        for rule, does in rules.items():
            soon = [event.step for event in events(rule, metric, values[: odd + SOON])]
            if does == "fires":
                assert soon, f"{rule} says nothing of {metric} within {SOON} steps"
            else:
                assert not soon, f"{rule} fires at {soon}, which the table leaves to another"


# -- noise -------------------------------------------------------------------------------------------


def heavy(dice: random.Random) -> float:
    """Student's t with 3 degrees of freedom."""
    return dice.gauss(0, 1) / math.sqrt(sum(dice.gauss(0, 1) ** 2 for _ in range(3)) / 3)


def gauss(dice: random.Random) -> float:
    return dice.gauss(0, 1)


POSITIVE = {  # of every metric: its logarithm
    "Gaussian": lambda dice: math.exp(0.1 * gauss(dice)),
    "heavy-tailed": lambda dice: math.exp(0.1 * heavy(dice)),
    "one picture a batch": lambda dice: math.exp(1.5 * gauss(dice)),
}
BELOW = {  # of losses
    "negative": lambda dice: -3.0 + 0.3 * gauss(dice),
    "negative and heavy-tailed": lambda dice: -3.0 + 0.3 * heavy(dice),
    "around zero": gauss,
}
RATE = {  # events per 10,000 steps that are allowed; 0 where nothing is said
    ("loss_spike", "heavy-tailed"): 10.0,
    ("loss_spike", "negative and heavy-tailed"): 10.0,
}
RUNS, LENGTH = 8, 1250


@pytest.mark.parametrize("rule", DETECTORS)
@pytest.mark.parametrize("noise", [*POSITIVE, *BELOW])
def test_stable_noise_fires_no_rule_more_often_than_stated(rule: str, noise: str) -> None:
    metrics = DETECTORS[rule].watches if noise in POSITIVE else {"loss/train"} & {*DETECTORS[rule].watches}
    for metric in metrics:
        count = 0
        for seed in range(RUNS):
            dice = random.Random(f"{noise} {seed}")
            count += len(events(rule, metric, [(POSITIVE | BELOW)[noise](dice) for _ in range(LENGTH)]))
        assert count * 1e4 / (RUNS * LENGTH) <= RATE.get((rule, noise), 0.0), f"{count} events of {metric}"


# -- gaps and resuming -------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [2, 7, 20])
@pytest.mark.parametrize("rule", sorted(set(DETECTORS) - {"loss_spike", "nonfinite"}))
def test_a_level_is_counted_in_steps_however_often_it_is_read(rule: str, every: int) -> None:
    metric = DETECTORS[rule].watches[-1]
    detector, found, began = DETECTORS[rule](), [], 400
    for step in range(0, 1200, every):
        value = 1.0 if step < began else 1e7 if OUT.get(metric, 1.0) >= 1.0 else 1e-7
        found += [event.step for event in detector.update(step, {metric: value})]
    late = (detector.lately // 2 + 1) * every
    assert len(found) == 1
    assert began + detector.long - 1 <= found[0] <= began + max(detector.long, 2 * every) + late


def test_nothing_is_said_of_steps_that_were_not_read() -> None:
    for rule in ("divergence", "tangent_level", "feature_growth", "dirichlet_collapse"):
        detector, metric = DETECTORS[rule](), DETECTORS[rule].watches[-1]
        steps = [*range(100), 100, 101, 400, 401]
        found = [event for step in steps for event in detector.update(step, {metric: 1.0 if step < 100 else math.nan})]
        assert not found, "two readings, and two more 300 steps later, are no 50 steps"


VALUES = st.sampled_from([1.0, 1.1, 0.9, -3.0, 0.0, 50.0, 1e5, 1e300, math.nan, math.inf, -math.inf])


@given(data=st.data(), cut=st.integers(0, 160))
@settings(max_examples=60)
def test_a_rule_that_is_resumed_at_any_step_goes_on_as_if_it_had_not_stopped(data: st.DataObject, cut: int) -> None:
    """Stretches of one value, with gaps between readings: the events after the cut are those of the run that was not cut."""
    stretches = data.draw(st.lists(st.tuples(VALUES, st.integers(1, 60), st.sampled_from([1, 1, 3])), min_size=1, max_size=5))
    readings = [(value, every) for value, length, every in stretches for _ in range(length)]
    step, steps = 0, []
    for value, every in readings:
        steps.append((step, value))
        step += every
    for kind in DETECTORS.values():
        whole, first, second = kind(), kind(), kind()
        expected = [e for n, v in steps for e in whole.update(n, dict.fromkeys(kind.watches, v))]
        found = [e for n, v in steps[:cut] for e in first.update(n, dict.fromkeys(kind.watches, v))]
        second.load(first.state())
        found += [e for n, v in steps[cut:] for e in second.update(n, dict.fromkeys(kind.watches, v))]
        assert repr(found) == repr(expected)
