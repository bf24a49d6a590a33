"""Values of a knob as one types them: every form, both ends, the spacing, and what is refused; by hand and as properties."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from engine.declare.axes import MOST, RATIO, Range, Values, parse
from engine.declare.resolve import KnobError
from tests.support.toy import spec

WHOLE = spec("n", "int", 0, -(10**6), 10**6)
REAL = spec("x", "float", 0.0)
BOUNDED = spec("x", "float", 0.5, 0.0, 1.0)
CHOICE = {**spec("c", "option", "a"), "choices": [{"name": "a"}, {"name": "b"}]}
SWITCH = spec("s", "bool", False)
TEXT = spec("t", "str", "")
OPEN = spec("data_seed", "int", None, 0, 10)


@pytest.mark.parametrize(("knob", "text", "values"), [
    (WHOLE, "3", (3,)),
    (WHOLE, "3,1,2", (3, 1, 2)),
    (WHOLE, "0..3", (0, 1, 2, 3)),
    (WHOLE, "-2..1", (-2, -1, 0, 1)),
    (WHOLE, "0,2..4, 9", (0, 2, 3, 4, 9)),
    (WHOLE, "8..128/5", (8, 16, 32, 64, 128)),
    (WHOLE, "0..100/3", (0, 50, 100)),
    (REAL, "1e-4..1e-1/4", (1e-4, 1e-3, 1e-2, 1e-1)),
    (REAL, "0.2..1/5", (0.2, 0.4, 0.6, 0.8, 1.0)),
    (REAL, "-1..1/3", (-1.0, 0.0, 1.0)),
    (REAL, "1..3", (1.0, 2.0, 3.0)),
    (REAL, "1e-3, 3e-3", (0.001, 0.003)),
    (REAL, "1..10/2", (1.0, 10.0)),
    (REAL, "0,5", (0.0, 5.0)),
    (REAL, "1,0,0.5", (1.0, 0.0, 0.5)),
    (WHOLE, "08,09,010", (8, 9, 10)),
    (CHOICE, "b,a", ("b", "a")),
    (SWITCH, "on,off", (True, False)),
    (TEXT, "a..b,c", ("a..b", "c")),
    (OPEN, "", (None,)),
])  # fmt: skip
def test_values_by_hand(knob: dict, text: str, values: tuple) -> None:
    found = parse(knob, knob["name"], text)
    assert isinstance(found, Values)
    assert found.values == values
    assert all(type(a) is type(b) for a, b in zip(found.values, values, strict=True))


@pytest.mark.parametrize(("knob", "text", "part"), [
    (WHOLE, "", "received nothing"),
    (WHOLE, "1,,2", "has an empty place"),
    (WHOLE, "1,", "has an empty place"),
    (WHOLE, "3..1", "give the smaller end first"),
    (WHOLE, "1..1", "give the smaller end first"),
    (WHOLE, "1..", "received nothing"),
    (WHOLE, "1..2..3", "is not a number"),
    (WHOLE, "a..b", "is not a number"),
    (WHOLE, "1..3/5", "no 5 different whole numbers"),
    (WHOLE, "1.5..3.5/3", "not a whole number"),
    (WHOLE, "0..9999", f"more than {MOST} values"),
    (WHOLE, "0..1000000/1001", "give a whole number from 2"),
    (WHOLE, "0..5/x", "give a whole number from 2"),
    (WHOLE, "0..5/", "give a whole number from 2"),
    (WHOLE, "0..1e7", "out of bounds"),
    (WHOLE, "1,2,1", "gives 1 twice"),
    (WHOLE, "1..3,2", "gives 2 twice"),
    (REAL, "0.1..0.5", "give the number of values too, such as x=0.1..0.5/5"),
    (REAL, "0..inf/3", "not finite"),
    (REAL, "0,001", "x=0,001 has a comma inside a number"),
    (REAL, "0.5,1,05", "x=1,05 has a comma inside a number"),
    (REAL, "0,001..1/4", "the decimal mark is a point"),
    (WHOLE, "1,000", "thousands have none"),
    (WHOLE, "4, 08", "has a comma inside a number"),
    (BOUNDED, "0..2/3", "out of bounds"),
    (CHOICE, "a,c", 'No value of c "c"'),
    (SWITCH, "on,maybe", "is no switch"),
])  # fmt: skip
def test_what_is_refused_says_what_to_do(knob: dict, text: str, part: str) -> None:
    with pytest.raises(KnobError) as refusal:
        parse(knob, knob["name"], text)
    assert part in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_spaced_values_keep_their_number_their_ends_and_their_spacing() -> None:
    """For a thousand random ranges: n values, strictly upwards, both ends exact, equal steps or equal ratios to four digits."""
    draw = random.Random(1)
    for _ in range(1000):
        low = draw.choice([-1.0, 1.0]) * 10 ** draw.uniform(-6, 4)
        high = low + 10 ** draw.uniform(-5, 6)
        count = draw.randrange(2, 40)
        found = parse(REAL, "x", f"{low!r}..{high!r}/{count}")
        assert isinstance(found, Values)
        values = found.values
        assert (len(values), values[0], values[-1]) == (count, low, high)
        assert all(a < b for a, b in itertools.pairwise(values))
        if low > 0 and high / low >= RATIO:
            steps = [math.log(b / a) for a, b in itertools.pairwise(values)]
            allowed = 2e-3
        else:
            steps = [b - a for a, b in itertools.pairwise(values)]
            allowed = 2e-3 * max(abs(low), abs(high))
        assert max(steps) - min(steps) <= allowed + 1e-12


def test_whole_numbers_survive_being_typed_again() -> None:
    draw = random.Random(2)
    for _ in range(300):
        low = draw.randrange(-1000, 1000)
        high = low + draw.randrange(1, 200)
        found = parse(WHOLE, "n", f"{low}..{high}")
        assert isinstance(found, Values)
        assert found.values == tuple(range(low, high + 1))
        assert parse(WHOLE, "n", ",".join(map(str, found.values))) == found


def test_text_of_any_kind_is_parsed_or_refused_and_nothing_else_happens() -> None:
    draw, letters = random.Random(3), "0123456789.,/-e+ ax"
    for _ in range(5000):
        text = "".join(draw.choice(letters) for _ in range(draw.randrange(0, 9)))
        for knob in (WHOLE, REAL, CHOICE, TEXT, OPEN):
            try:
                found = parse(knob, knob["name"], text, drawn=draw.random() < 0.5)
            except KnobError:
                continue
            assert isinstance(found, Range) or len(found.values) == len(set(found.values)) >= 1


def test_a_range_of_real_numbers_is_only_for_draws() -> None:
    found = parse(REAL, "x", "1e-4..1", drawn=True)
    assert found == Range(1e-4, 1.0)
    values = [found.draw(random.Random(n)) for n in range(2000)]
    assert all(1e-4 <= value <= 1 for value in values)
    assert all(value == float(f"{value:.3g}") for value in values)
    below = sum(value < 1e-2 for value in values) / len(values)
    assert abs(below - 0.5) < 0.05, "half of the draws lie below the geometric middle"
    linear = parse(REAL, "x", "0..1", drawn=True)
    assert isinstance(linear, Range)
    assert abs(sum(linear.draw(random.Random(n)) for n in range(2000)) / 2000 - 0.5) < 0.03
