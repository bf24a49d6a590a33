"""Diffusion: the identities of EDM's preconditioning, the noise of VP, and samplers on a Gaussian whose flow is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from engine.labs.diffusion.remedies.diffusion import SIGMA_DATA, Diffusion
from engine.labs.diffusion.remedies.sampler import Sampler

SIGMAS = torch.logspace(-2.5, 1.9, 40, dtype=torch.float64)
KINDS = {name: Diffusion.answer(name)() for name in ("edm", "vp")}
D2 = SIGMA_DATA**2


def test_edm_keeps_the_input_and_the_target_at_unit_variance() -> None:
    c = KINDS["edm"].coefficients(SIGMAS)
    ones = torch.ones_like(SIGMAS)
    assert torch.allclose(c.into**2 * (D2 + SIGMAS**2), ones, rtol=1e-12)
    target = ((1 - c.skip) ** 2 * D2 + c.skip**2 * SIGMAS**2) / c.out**2
    assert torch.allclose(target, ones, rtol=1e-12)
    assert torch.allclose(c.out, SIGMAS * SIGMA_DATA * c.into, rtol=1e-12)
    assert torch.allclose(c.label, SIGMAS.log() / 4)
    # c_skip is the one that keeps c_out smallest: the derivative of its square vanishes
    assert torch.allclose(-(1 - c.skip) * D2 + c.skip * SIGMAS**2, torch.zeros_like(SIGMAS), atol=1e-12)


def test_unit_weight_on_the_networks_answer_is_the_weight_of_the_paper() -> None:
    c = KINDS["edm"].coefficients(SIGMAS)
    assert torch.allclose(1 / c.out**2, (SIGMAS**2 + D2) / (SIGMAS * SIGMA_DATA) ** 2, rtol=1e-12)


def test_vp_mixes_picture_and_noise_with_unit_coefficients_and_its_time_is_the_one_of_sigma() -> None:
    vp = KINDS["vp"]
    share = torch.linspace(0.0, 1.0, 30, dtype=torch.float64)
    t = 1e-3 + 0.999 * share
    alpha_bar = np.exp(-(0.1 * t.numpy() + 19.9 * t.numpy() ** 2 / 2))
    sigma = vp.sigma(share)
    assert np.allclose(sigma.numpy(), np.sqrt((1 - alpha_bar) / alpha_bar), rtol=1e-9)
    c = vp.coefficients(sigma)
    assert torch.allclose(c.label, 999 * t, rtol=1e-9)
    assert np.allclose(c.into.numpy(), np.sqrt(alpha_bar), rtol=1e-9)
    assert torch.allclose((c.into * sigma) ** 2 + c.into**2, torch.ones_like(sigma))


def test_edm_draws_log_normal_levels() -> None:
    levels = KINDS["edm"].sigma((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000).log()
    assert levels.mean().item() == pytest.approx(-1.2, abs=2e-3)
    assert levels.std().item() == pytest.approx(1.2, abs=2e-3)


@pytest.mark.parametrize("name", KINDS)
def test_a_network_that_answers_the_target_denoises_perfectly(name: str) -> None:
    kind, draw = KINDS[name], torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 6, 1, 4, 4, dtype=torch.float64, generator=draw)
    for sigma in SIGMAS[::5]:
        seen, label, target = kind.training_pair(clean, noise, sigma.expand(6))
        assert torch.allclose(
            kind.denoise(lambda x, at, seen=seen, label=label, target=target: target, clean + sigma * noise, sigma), clean
        )
        batch = []
        kind.denoise(lambda x, at, target=target, batch=batch: batch.extend([x, at]) or target, clean + sigma * noise, sigma)
        assert torch.allclose(batch[0], seen)
        assert torch.allclose(batch[1], label)
        if name == "vp":
            assert torch.allclose(target, noise)


MEAN, SPREAD = 0.3, 0.5


def gaussian(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The denoiser of N(MEAN, SPREAD²) in closed form: x + σ² times the score of N(MEAN, SPREAD² + σ²)."""
    return x - sigma**2 * (x - MEAN) / (SPREAD**2 + sigma**2)


def end(name: str, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """-> where the sampler ends, and where the exact flow does."""
    sampler = Sampler.answer(name)(steps=steps)
    sigmas = sampler.levels()
    x = sigmas[0] * torch.randn(64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return sampler.sample(gaussian, x, sigmas), MEAN + (x - MEAN) * SPREAD / math.sqrt(SPREAD**2 + sigmas[0].item() ** 2)


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("heun", 2)])
def test_a_sampler_reaches_the_exact_flow_of_a_gaussian_with_the_order_of_its_method(name: str, order: int) -> None:
    errors = [(got - exact).abs().max().item() for got, exact in (end(name, steps) for steps in (40, 80, 160))]
    assert errors[-1] < (5e-2 if order == 1 else 2e-3)
    for coarse, fine in itertools.pairwise(errors):
        assert 0.75 * 2**order < coarse / fine < 1.5 * 2**order


@pytest.mark.parametrize("name", ["ddim", "heun"])
def test_a_point_is_reached_in_one_step_and_the_spread_is_right(name: str) -> None:
    sampler = Sampler.answer(name)(steps=1)
    x = 80.0 * torch.randn(10, dtype=torch.float64)
    assert torch.allclose(sampler.sample(lambda x, sigma: torch.full_like(x, 0.7), x, sampler.levels()), torch.full_like(x, 0.7))
    got, _ = end(name, 200)
    exact = end(name, 200)[1]
    assert got.std().item() == pytest.approx(exact.std().item(), rel=0.02)


def test_the_noise_levels_are_those_of_edm() -> None:
    got = Sampler.answer("heun")(steps=18).levels()
    expected = [(80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)]
    assert got[:-1].tolist() == pytest.approx(expected, rel=1e-9)
    assert got[-1] == 0.0
