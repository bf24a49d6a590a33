"""One downsampler: the same curve looks the same live and after it is fetched again."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from engine.core.nonfinite import WORDS, jsonable
from engine.index.downsample import POINTS, ROWS, thin, thin_rows
from engine.index.owner import IndexOwner
from tests.support.indexed_runs import begin, spool_of

STEPS = 4001  # no multiple of any bucket


def noisy(seed: int) -> list[float]:
    """A curve with a spike up, one down, a NaN and both infinities."""
    dice = random.Random(seed)
    odd = {777: 1e9, 1888: -1e9, 2999: math.nan, 3000: math.inf, 3001: -math.inf}
    return [odd.get(step, dice.gauss(0.0, 1.0)) for step in range(STEPS)]


def lived(message: dict[str, Any]) -> dict[str, Any]:
    """A message's series as the browser keeps it: what is not finite apart."""
    rows = list(zip(message["steps"], message["t"], message["values"], strict=True))
    finite = [row for row in rows if row[2] not in WORDS]
    return {"points": finite, "nonfinite": [list(row) for row in rows if row[2] in WORDS]}


def stored(answer: dict[str, Any]) -> dict[str, Any]:
    return {"points": list(zip(answer["steps"], answer["t"], answer["values"], strict=True)), "nonfinite": answer["nonfinite"]}


@pytest.mark.parametrize("steps", [POINTS, STEPS])
def test_a_series_looks_the_same_live_and_after_a_reload(owner: IndexOwner, steps: int) -> None:
    run = begin(owner.data)
    news: list[dict[str, Any]] = []
    owner.subscribe({run.run}, news.append)
    spool = spool_of(run)
    for step, value in enumerate(noisy(0)[:steps]):
        spool.log(step, {("loss/train", ""): value}, t=1000.0 + step)
    owner.catch_up()
    (message,) = news
    live = lived(message["points"]["loss/train"])
    assert live == stored(owner.store.series(run.run, "loss/train"))
    assert {(777, 1e9)} <= {(step, value) for step, _, value in live["points"]}
    assert len(live["points"]) <= POINTS + 2


def test_a_series_in_two_schemas_is_one_series(owner: IndexOwner) -> None:
    """Every third step brings another metric too."""
    run = begin(owner.data)
    news: list[dict[str, Any]] = []
    owner.subscribe({run.run}, news.append)
    spool = spool_of(run)
    for step, value in enumerate(noisy(1)):
        spool.log(step, {("loss/train", ""): value} | ({("lr", ""): 1.0} if step % 3 == 0 else {}), t=1000.0 + step)
    owner.catch_up()
    (message,) = news
    assert lived(message["points"]["loss/train"]) == stored(owner.store.series(run.run, "loss/train"))


def test_a_vector_series_looks_the_same_live_and_after_a_reload(owner: IndexOwner) -> None:
    run = begin(owner.data)
    news: list[dict[str, Any]] = []
    owner.subscribe({run.run}, news.append)
    spool, dice = spool_of(run), random.Random(2)
    for step in range(1237):
        peak = {333: math.nan, 334: math.inf, 700: 5.0, 701: 5.0}.get(step, round(dice.random(), 1))
        spool.log(step, vectors={("router/load", ""): [peak, 0.25]}, t=1000.0 + step)
    owner.catch_up()
    (message,) = news
    live = message["vectors"]["router/load"]
    assert live == owner.store.vectors(run.run, "router/load")
    assert {333, 700, 0, 1236} <= set(live["steps"])
    assert len(live["steps"]) <= ROWS + 2


def test_rows_for_a_film_stand_at_even_distances_whatever_they_hold(owner: IndexOwner) -> None:
    run = begin(owner.data)
    spool = spool_of(run)
    for step in range(1000):
        spool.log(step, vectors={("router/load", ""): [9.0 if step in (13, 501) else 1.0]}, t=1000.0 + step)
    owner.catch_up()
    film = owner.store.vectors(run.run, "router/load", rows=100, even=True)
    assert film["steps"] == [*range(0, 1000, 10), 999], "every tenth, and the newest"
    assert film["v"] == [[1.0]] * 101, "the largest rows are for charts, a film of them would be false"
    near = owner.store.vectors(run.run, "router/load", lo=10, hi=15, even=True)
    assert near["steps"] == [*range(10, 16)], "few rows come whole"
    assert near["v"][3] == [9.0]


@pytest.mark.parametrize("points", [2, 7, 50])
def test_extremes_and_what_is_not_finite_survive_at_any_number_of_points(points: int) -> None:
    values = np.array(noisy(3))
    steps = np.arange(STEPS)
    kept, broken = thin(steps, values, points, (0, STEPS - 1))
    assert {0, 777, 1888, STEPS - 1} <= set(kept.tolist())
    assert [jsonable(v) for v in values[broken].tolist()] == [*WORDS]
    assert len(kept) <= points + 2


def test_many_values_that_are_not_finite_keep_the_first_of_each_kind() -> None:
    values = np.full(1000, math.nan)
    values[500:600] = math.inf
    kept, broken = thin(np.arange(1000), values, 10, (0, 999))
    assert not len(kept)
    assert {0, 500, 600} <= set(broken.tolist())
    assert len(broken) <= 15


def test_few_rows_are_all_kept() -> None:
    assert thin_rows([3, 5, 9], [[1.0], [2.0], [0.0]], 3) == [0, 1, 2]
    assert thin_rows([0, 1, 2, 3], [[1.0], [2.0], [2.0], [0.0]], 1) == [0, 1, 3], "of equal rows the first, beside both ends"
