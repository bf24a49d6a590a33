"""Benchmark: what a comparison of a hundred runs asks of the index, and what its numbers cost beside that."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np

from engine.compare.arms import Arms, arms_of
from engine.compare.curves import BUCKETS, FULL, FULL_POINTS, REST_POINTS, curves
from engine.compare.overview import overview
from engine.statistics.arm import PLAIN
from tests.benchmarks.benchmark import Benchmark, Figure, best
from tests.benchmarks.measures.series import RUNS, Index

METRIC = "metric/50"
BUDGET = 300.0  # milliseconds


class Comparison(Benchmark):
    """100 ended runs of 100 metrics in five arms, ten million points in all: CPU time of the process, all its threads, of one question,
    best of five: every curve of the page (extremes and values that are no number, in common stretches), last values, first steps below a
    level; then all of it with the statistics of five arms."""

    title = "A comparison of a hundred runs"
    order = 42
    points, quick_points = 10_000_000, 1_000_000

    def measure(self) -> list[Figure]:
        points = self.quick_points if self.quick else self.points
        self.say(f"an index of {points:,} points")
        with tempfile.TemporaryDirectory() as scratch, closing(Index(Path(scratch), points, long=1000)) as index:
            asked = self.raw[f"{points:.0e}"] = answers(index)
        many = f"{points / 1e6:g} million points"
        return [
            Figure(f"curves of {RUNS} runs, {many}", asked["curves"]["cpu_ms"], "ms", BUDGET),
            Figure(f"last values of {RUNS} runs", asked["last_values"]["cpu_ms"], "ms", BUDGET),
            Figure(f"first steps below a level of {RUNS} runs", asked["first_steps"]["cpu_ms"], "ms", BUDGET),
            Figure("the whole comparison with its statistics", asked["comparison"]["cpu_ms"], "ms"),
        ]


def five_arms(runs: list[str]) -> Arms:
    """The runs as five learning rates of as many seeds each."""
    knobs = [{"seed": n // 5, "data_seed": n // 5, "lr": 0.1 * (1 + n % 5)} for n in range(len(runs))]
    specs = [{"run": run, "lab": "moe", "preset": None, "created": n, "knobs": knobs[n]} for n, run in enumerate(runs)]
    return arms_of(specs, None, dict.fromkeys(runs, "finished"))


def answers(index: Index) -> dict[str, dict[str, float]]:
    store, runs = index.owner.store, [folder.run for folder in index.runs[:RUNS]]
    arms, standing = five_arms(runs), dict.fromkeys(runs, "finished")
    points = [FULL_POINTS if n < FULL else REST_POINTS for n in range(RUNS)]

    def comparison() -> None:
        overview(store, arms, {}, METRIC, baseline=arms.arms[0], keys=[METRIC])
        curves(store, arms, (METRIC, ""), arms.arms[0].name, PLAIN, standing)

    of = store.overlay(runs, METRIC, points=points, buckets=BUCKETS)
    assert not np.isnan(of.low_NB).any(), "every run has values in every stretch"
    return {
        "curves": best(lambda: store.overlay(runs, METRIC, points=points, buckets=BUCKETS)),
        "last_values": best(lambda: store.last_values(runs, METRIC)),
        "first_steps": best(lambda: store.first_steps(runs, METRIC, "", -2.0)),
        "comparison": best(comparison),
    }
