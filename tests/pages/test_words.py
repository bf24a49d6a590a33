"""How a number is written: never with a suffix that makes it smaller, never two ways in Python and in the browser."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pages.parts.words import STEADY, knob_value, number, progress

WRITTEN: list[tuple[Any, str]] = [
    (None, "–"),
    (True, "yes"),
    ("adam", "adam"),
    (math.nan, "NaN"),
    ("Infinity", "+Inf"),
    (-math.inf, "−Inf"),
    (0, "0"),
    (-0.0, "0"),
    (1, "1"),
    (-2.5, "-2.5"),
    (0.001848, "0.001848"),
    (0.0001, "0.0001"),
    (0.00012346, "0.0001235"),
    (0.5, "0.5"),
    (0.099999, "0.1"),
    (0.99999, "1"),
    (0.0000999949, "9.999e-5"),
    (0.0000999999, "0.0001"),
    (1.848e-5, "1.848e-5"),
    (-3e-12, "-3e-12"),
    (1234.6, "1235"),
    (9999, "9999"),
    (9999.4, "9999"),
    (9999.6, "10 k"),
    (10_000, "10 k"),
    (12_346, "12.35 k"),
    (999_949, "999.9 k"),
    (999_999, "1 M"),
    (-2_500_000, "-2.5 M"),
    (3e9, "3 G"),
    (7.5e12, "7.5 T"),
    (1e15, "1e15"),
    (2.5e30, "2.5e30"),
]


@pytest.mark.parametrize(("value", "written"), WRITTEN)
def test_a_number_is_written_so_that_no_suffix_can_be_taken_for_a_unit(value: Any, written: str) -> None:
    assert number(value) == written


def test_the_time_left_is_estimated_only_after_enough_steps_to_know_what_one_takes() -> None:
    state = {"steps": 1000, "phase": "training", "step_seconds": 2.0}
    assert progress(state | {"step": STEADY - 1}, "running")[1] == f"step {STEADY - 1} of 1,000 · estimating the time left"
    assert progress(state | {"step": STEADY}, "running")[1].endswith("33 min left")


def test_a_knob_is_written_with_all_its_digits() -> None:
    assert [knob_value(v) for v in (562.7108863646285, 0.1, 1e-08, 30.0, None, True, 3, "hash")] == [
        *("562.7108863646285", "0.1", "1e-08", "30", "–", "true", "3", "hash")
    ]
