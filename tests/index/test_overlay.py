"""One metric of many runs out of one query: extremes and values that are not finite survive, run by run and in common stretches."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.index.overlay import _line, _side_by_side
from tests.support.compared_runs import METRIC, made, read_in
from tests.support.indexed_runs import Owners

VALUE = st.one_of(st.floats(-10, 10), st.sampled_from([math.nan, math.inf, -math.inf]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(VALUE, min_size=1, max_size=60), min_size=1, max_size=4), st.integers(1, 20))
def test_stretches_hold_the_extremes_of_every_run_and_say_where_it_was_no_number(runs: list[list[float]], buckets: int) -> None:
    owner = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    steps = np.concatenate([np.arange(len(run)) for run in runs])
    last = int(steps.max())
    middle, width, low, high, odd = _side_by_side(owner, steps, np.concatenate(runs), len(runs), (0, last), buckets)
    assert len(middle) <= buckets
    for n, run in enumerate(runs):
        for column, at in enumerate(middle):
            first = round(at - (width - 1) / 2)
            inside = run[first : first + width]
            finite = [v for v in inside if math.isfinite(v)]
            assert odd[n, column] == (len(finite) < len(inside))
            whole = bool(inside) and len(finite) == len(inside)
            assert math.isfinite(low[n, column]) == math.isfinite(high[n, column]) == whole
            if whole:
                assert (low[n, column], high[n, column]) == (min(inside), max(inside))
        covered = [round(at - (width - 1) / 2) + i for at in middle for i in range(width)]
        assert set(range(len(run))) <= set(covered)


@given(st.lists(VALUE, min_size=1, max_size=200))
def test_a_line_of_few_points_keeps_its_extremes_and_its_marks(values: list[float]) -> None:
    line = _line(np.arange(len(values)), np.array(values), 10, (0, len(values) - 1))
    finite = [v for v in values if math.isfinite(v)]
    assert line.count == len(values)
    assert line.odd == len(values) - len(finite)
    words = {"NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity" for v in values if not math.isfinite(v)}
    assert {word for _, word in line.marks} == words
    if finite:
        assert (line.values.min(), line.values.max()) == (min(finite), max(finite))


def test_runs_come_in_the_order_asked_for_and_a_run_without_the_metric_is_empty(owners: Owners) -> None:
    owner = owners()
    runs = [made(owner.data, 0, [1.0, 2.0, 3.0]), made(owner.data, 1, [5.0, math.nan]), made(owner.data, 2, [])]
    ids = read_in(owner, runs)
    of = owner.store.overlay(ids[::-1], METRIC, points=[9, 9, 9], buckets=50)
    assert [line.values.tolist() for line in of.lines] == [[], [5.0], [1.0, 2.0, 3.0]]
    assert of.lines[1].marks == ((1, "NaN"),)
    assert of.middle_B.tolist() == [0, 1, 2]
    assert of.odd_NB.tolist() == [[False] * 3, [False, True, False], [False] * 3]
    assert np.array_equal(of.low_NB[2], [1.0, 2.0, 3.0])
    nothing = owner.store.overlay(ids, "no/such", points=[9, 9, 9], buckets=50)
    assert nothing.low_NB.shape == (3, 0)


def test_last_values_and_first_steps_by_run(owners: Owners) -> None:
    owner = owners()
    runs = [made(owner.data, 0, [4.0, math.nan, 3.0, 2.0]), made(owner.data, 1, [1.0, math.inf]), made(owner.data, 2, [])]
    first, second, third = read_in(owner, runs)
    store = owner.store
    last = store.last_values([first, second, third], METRIC)
    assert last == {first: 2.0, second: math.inf}
    assert store.first_steps([first, second, third], METRIC, "", 3.0) == {first: 2, second: 0}
    assert store.first_steps([first, second, third], METRIC, "", 3.5, above=True) == {first: 0}
    assert store.last_values([first], "no/such") == {}
    with pytest.raises(KeyError):
        store.last_values(["20200101-000000-moe-0000"], METRIC)
