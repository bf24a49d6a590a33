"""The average of the weights: its half-life, its start, and that a checkpoint holds it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.labs.diffusion.models.ema import Ema


def walk(steps: int, half_life: float) -> tuple[list[float], Ema, nn.Linear]:
    """A model of one weight that takes the values of a random walk."""
    draw = torch.Generator().manual_seed(3)
    model = nn.Linear(1, 1, bias=False)
    ema, seen = Ema(model, half_life), []
    for _ in range(steps):
        with torch.no_grad():
            model.weight += torch.randn(1, 1, generator=draw)
        ema.update(model)
        seen.append(model.weight.item())
    return seen, ema, model


@pytest.mark.parametrize("half_life", [0.5, 3.0, 40.0])
@pytest.mark.parametrize("steps", [1, 2, 25])
def test_the_average_is_the_weighted_mean_of_everything_seen(half_life: float, steps: int) -> None:
    seen, ema, _ = walk(steps, half_life)
    shares = [2.0 ** (-(steps - 1 - s) / half_life) for s in range(steps)]
    expected = sum(w * s for w, s in zip(seen, shares, strict=True)) / sum(shares)
    assert ema.weights()["weight"].item() == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_after_a_jump_the_average_is_half_way_when_the_half_life_has_passed() -> None:
    model = nn.Linear(1, 1, bias=False)
    ema = Ema(model, half_life=20)
    for value, steps in ((0.0, 1000), (1.0, 20)):
        nn.init.constant_(model.weight, value)
        for _ in range(steps):
            ema.update(model)
    assert ema.weights()["weight"].item() == pytest.approx(0.5, abs=1e-5)


def test_half_life_zero_is_no_average() -> None:
    seen, ema, _ = walk(10, 0.0)
    assert ema.weights()["weight"].item() == pytest.approx(seen[-1], rel=1e-6)


def test_an_average_of_nothing_says_so() -> None:
    assert torch.isnan(Ema(nn.Linear(1, 1), 10).weights()["weight"]).all()


def test_the_average_travels_with_the_state_of_the_model() -> None:
    _, first, model = walk(7, 5.0)
    second = Ema(nn.Linear(1, 1, bias=False), 5.0)
    second.load_state_dict(first.state_dict())
    second.update(model)
    first.update(model)
    assert first.weights()["weight"].item() == second.weights()["weight"].item()


def test_a_forward_pass_with_the_average_leaves_the_model_alone() -> None:
    _, ema, model = walk(7, 5.0)
    model.ema = ema
    assert list(dict(model.named_parameters())) == ["weight"]
    x, before = torch.ones(2, 1), model.weight.clone()
    got = ema.call(model, x)
    assert torch.allclose(got, x @ ema.weights()["weight"].T)
    assert not torch.allclose(got, model(x))
    assert torch.equal(model.weight, before)


def test_a_module_that_stands_in_two_places_gets_the_average_in_both_and_its_own_weights_back() -> None:
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    ema = Ema(model, 3.0)
    for value in (0.5, 1.0, 2.0):
        for parameter in model.parameters():
            nn.init.constant_(parameter, value)
        ema.update(model)
    x, before = torch.randn(4, 2), {name: p.clone() for name, p in model.named_parameters()}
    got = ema.call(model, x)
    w, b = ema.weights()["0.weight"], ema.weights()["0.bias"]
    assert torch.allclose(got, torch.tanh(x @ w.T + b) @ w.T + b)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
