"""The small trainings of the trainability map: against autograd, alone and among thousands, and what their verdict counts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.labs.dynamics.models.descent import CAP, RATES, Descent, Network, Rates, tile
from engine.labs.dynamics.models.view import HIGHEST, LOWEST, WORK, rates, tile_side, work
from engine.labs.dynamics.trainability import Trainability
from engine.worker.play import play
from tests.support.tiny_lab import Recorded, new_folder


def cells(**given: object) -> Rates:
    values = {"lr_in": 30.0, "lr_out": 30.0, "init_in": 1.0, "init_out": 1.0, **given}
    width = max(np.size(one) for one in values.values())
    return {name: np.broadcast_to(np.asarray(values[name], float), width).copy() for name in RATES}


def by_autograd(network: Network, one: Rates, factors: list[float]) -> list[float]:
    """The losses of one training, written down again: torch differentiates, nothing is batched."""
    x, y = (torch.from_numpy(array) for array in network.samples())
    scales = [one["init_in"][0]] * network.depth + [one["init_out"][0]]
    weights = [(scale * torch.from_numpy(w)).requires_grad_() for scale, w in zip(scales, network.weights(), strict=True)]
    losses = []
    for factor in factors:
        h = x
        for weight in weights[:-1]:
            h = torch.tanh(math.sqrt(2 / network.width) * (h @ weight))
        loss = (h @ weights[-1] / network.width - y).square().mean()
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for n, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
                weight -= factor * one["lr_in" if n < network.depth else "lr_out"][0] * gradient
    return losses


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("width", [5, 16])
@pytest.mark.parametrize("warmup", [0, 7])
def test_every_step_is_that_of_autograd(depth: int, width: int, warmup: int) -> None:
    network, one = Network(width, depth, seed=3, data_seed=4), cells(lr_in=9.0, lr_out=4.0, init_in=0.7, init_out=1.3)
    factors = [min(1.0, (n + 1) / warmup) if warmup else 1.0 for n in range(25)]
    training = Descent(network, one)
    mine = [training.step(factor)[0] for factor in factors]
    theirs = by_autograd(network, one, factors)
    assert mine == pytest.approx(theirs, rel=1e-12)
    assert training.value_N[0] == pytest.approx(np.mean([min(loss / theirs[0], CAP) for loss in theirs]), rel=1e-12)


def test_a_training_has_the_same_bits_alone_and_among_all_others() -> None:
    x, y = np.meshgrid(rates(300.0, 5.0, 32), rates(100.0, 5.0, 32))
    together = cells(lr_in=x.ravel(), lr_out=y.ravel())
    whole = tile(together, Network(), 120)
    assert 0.2 < (whole.value_N > 1).mean() < 0.8, "both sides of the boundary"
    assert not np.isfinite(whole.final_N).all()
    for n in np.random.default_rng(0).choice(1024, 60, replace=False):
        alone = tile({name: rate[n : n + 1] for name, rate in together.items()}, Network(), 120)
        assert alone.value_N.tobytes() == whole.value_N[n : n + 1].tobytes()
        assert np.isnan(alone.final_N[0]) == np.isnan(whole.final_N[n])


@pytest.mark.parametrize("knobs", [{"lr_in": 1e3, "lr_out": 42.0}, {"lr_out": 1e3}, {"warmup": 13, "depth": 2, "seed": 5, "width": 7}])
def test_a_run_has_the_bits_of_its_cell(knobs: dict[str, float], tmp_path: Path) -> None:
    lab, folder = Trainability(steps=80, **knobs), new_folder(tmp_path)
    play(lab, folder)
    told = Recorded(folder)
    many = {name: np.repeat(rate, 300) for name, rate in lab.rates().items()}
    whole = tile(many, lab.network(), 80, lab.learning_rate)
    assert told.values("trainability/value")[-1] == whole.value_N[0] == whole.value_N[299]
    assert told.values("loss/train")[-1] == whole.final_N[0] or math.isnan(whole.final_N[0])


def test_what_is_no_number_counts_as_the_cap() -> None:
    whole = tile(cells(lr_in=[30.0, 1e9], lr_out=[30.0, 1e9]), Network(), 50)
    assert whole.value_N[0] < 1 < whole.value_N[1] <= CAP
    assert math.isnan(whole.final_N[1])
    training = Descent(Network(), cells(lr_out=1e12))
    losses = [training.step()[0] for _ in range(60)]
    first = next(n for n, loss in enumerate(losses) if not loss < CAP * losses[0])
    assert training.sum_N[0] == sum(loss / losses[0] for loss in losses[:first]) + CAP * (60 - first)


def test_seeds_move_weights_and_samples_apart() -> None:
    one, other = Network(seed=0, data_seed=0), Network(seed=1, data_seed=0)
    assert np.array_equal(one.samples()[0], other.samples()[0])
    assert not np.array_equal(one.weights()[0], other.weights()[0])
    assert np.array_equal(one.weights()[0], Network(seed=0, data_seed=9, depth=2).weights()[0])


# -- views ---------------------------------------------------------------------------------------------


def test_the_rates_of_a_view_lie_in_the_middle_of_equal_parts_of_its_decades() -> None:
    found = rates(100.0, 2.0, 4)
    assert found == pytest.approx([10**1.25, 10**1.75, 10**2.25, 10**2.75], rel=1e-15)
    assert rates(float(repr(312.7310000000001)), 5e-6, 64) == rates(312.7310000000001, 5e-6, 64)


def test_zooming_stops_where_rates_come_too_close_for_float64() -> None:
    for decades in (5.0, 5e-6, 5e-12, 5e-13):
        assert len(set(rates(312.731, decades, 64))) == 64
    with pytest.raises(ValueError, match=r"less than 8 roundings of a float64 apart.*zoom out\.$"):
        rates(312.731, 5e-14, 64)


def test_a_view_that_leaves_what_a_run_may_have_is_refused() -> None:
    with pytest.raises(ValueError, match="zoom in"):
        rates(1e8, 10.0, 16)
    field = Trainability.model_fields["lr_in"].metadata
    assert {type(one).__name__: getattr(one, type(one).__name__.lower()) for one in field} == {"Ge": LOWEST, "Le": HIGHEST}


def test_tiles_are_as_large_as_a_second_allows() -> None:
    assert tile_side(16, 1, 200) == 32
    assert tile_side(64, 8, 1000) >= 1
    for width, depth, steps in ((16, 2, 200), (64, 1, 200), (32, 4, 900)):
        side = tile_side(width, depth, steps)
        assert side**2 * work(width, depth, steps) <= WORK < (2 * side) ** 2 * work(width, depth, steps)
