"""Which runs are missing: so that every arm has every seed of the others, and a few seeds more."""

from __future__ import annotations

from collections.abc import Mapping

from engine.compare.arms import COUNTS, Arms
from engine.statistics.matching import Key
from engine.statistics.sentences import MORE
from engine.statistics.sequence import LONGEST


def missing(arms: Arms, standing: Mapping[str, str], more: int = MORE) -> list[tuple[str, Key]]:
    """(arm, key) of the runs to make, pair by pair in ascending order of seeds; new seeds follow the largest, up to LONGEST in all.

    A run that failed, was stopped, killed or lost is missing; one that diverged is a result.  A new run follows the seed with its data
    order as the others do: the same number, or the one that all of them have.
    """
    present = {arm.name: {key for key, run in arm.runs.items() if standing.get(run) in COUNTS} for arm in arms.arms}
    every = sorted({key for arm in arms.arms for key in arm.runs})
    wanted = [*every, *_next(every, max(0, min(more, LONGEST - len(every))))]
    return [(arm.name, key) for key in wanted for arm in arms.arms if key not in present[arm.name]]


def _next(keys: list[Key], count: int) -> list[Key]:
    orders = {data_seed for _, data_seed in keys}
    fixed = orders.pop() if len(orders) == 1 and len(keys) > 1 else None
    first = max((seed for seed, _ in keys), default=-1) + 1
    return [(seed, seed if fixed is None else fixed) for seed in range(first, first + count)]
