"""Benchmark: what the cells of the trainability map cost."""

from __future__ import annotations

import numpy as np

from engine.labs.dynamics.models.descent import Network, Rates, tile
from engine.labs.dynamics.models.view import rates
from tests.benchmarks.benchmark import Benchmark, Figure, cpu_seconds

SIDE, TILE, STEPS = 64, 32, 200
BUDGET = 3.5  # CPU seconds of a view of 64 x 64 cells
REASON = "Nearly all of it is numpy's tanh and its products of small matrices, for which this processor takes twice as long as another."


def cells(side: int) -> Rates:
    """The whole map as the page first shows it."""
    x, y = np.meshgrid(rates(300.0, 5.0, side), rates(100.0, 5.0, side))
    one = np.ones(side * side)
    return {"lr_in": x.ravel(), "lr_out": y.ravel(), "init_in": one, "init_out": one}


def alone(view: Rates, count: int) -> None:
    """The first trainings of a view one after the other, as runs compute them."""
    for n in range(count):
        tile({name: rate[n : n + 1] for name, rate in view.items()}, Network(), STEPS)


class TrainabilityMap(Benchmark):
    """CPU time of this process for 64 x 64 trainings of 200 steps in float64, and for one tile of 32 x 32 of them; the best of five rounds.
    Beside it 32 trainings one after the other, each alone, over the same 32 side by side."""

    title = "Trainability map in float64"
    order = 70

    def measure(self) -> list[Figure]:
        rounds, whole, part = 2 if self.quick else 5, cells(SIDE), cells(TILE)
        row = {name: rate[:32] for name, rate in whole.items()}
        view = min(cpu_seconds(lambda: tile(whole, Network(), STEPS)) for _ in range(rounds))
        one = min(cpu_seconds(lambda: tile(part, Network(), STEPS)) for _ in range(rounds))
        single = min(cpu_seconds(lambda: alone(row, 32)) for _ in range(rounds))
        together = min(cpu_seconds(lambda: tile(row, Network(), STEPS)) for _ in range(rounds))
        self.raw["cpu_seconds"] = {"64 x 64": view, "32 x 32": one, "32 alone": single, "32 together": together}
        return [
            Figure("64 x 64 trainings of 200 steps", view, "CPU-s", BUDGET, "", REASON),
            Figure("tiles of 32 x 32", 1.0 / one, "a CPU-s"),
            Figure("32 trainings together, over one after the other", together / single, "×", 1 / 10),
        ]
