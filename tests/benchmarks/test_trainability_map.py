"""Many trainings of the trainability map side by side cost little more than one."""

from __future__ import annotations

from engine.labs.dynamics.models.descent import Network, tile
from tests.benchmarks.benchmark import interleaved
from tests.benchmarks.measures.trainability_map import STEPS, alone, cells

TRIES = 5  # at most; a busy machine delays the answer and does not change it


def test_32_trainings_side_by_side_cost_at_most_a_fifth_of_one_after_the_other() -> None:
    row = {name: rate[:32] for name, rate in cells(64).items()}
    works = {"together": lambda: tile(row, Network(), STEPS), "alone": lambda: alone(row, 32)}
    least = {name: float("inf") for name in works}
    for _ in range(TRIES):
        least = {name: min(least[name], *seconds) for name, seconds in interleaved(works, 1).items()}
        if 5 * least["together"] <= least["alone"]:
            return
    raise AssertionError(f"CPU seconds: {least}")
