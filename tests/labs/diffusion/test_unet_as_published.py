"""Skips, U-ViT and diffusions are those of the authors' code: factors, gates, time embedding, loss, noise levels, sampler."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.labs.diffusion.models.skip_gates import TokenGate
from engine.labs.diffusion.remedies.backbone import Backbone
from engine.labs.diffusion.remedies.diffusion import SIGMA_DATA, Diffusion
from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling
from engine.labs.diffusion.remedies.sampler import Sampler
from engine.labs.diffusion.remedies.skip_scaling import SkipScaling
from tests.support.authors import Tiny, recorded, same, tensor

GIVEN, TOLD = recorded("scalelong")
EDM_GIVEN, EDM_TOLD = recorded("edm")


def u_vit(width: int = 16) -> nn.Module:
    scaling, residual = SkipScaling.answer("none")(), ResidualScaling.answer("none")()
    return Backbone.answer("u_vit")(heads=2).build(1, 8, width, 2, scaling, residual)


# -- ScaleLong and U-ViT -----------------------------------------------------------------------------


@pytest.mark.parametrize("skips", [1, 3, 6, 12])
def test_the_factor_of_every_skip_is_that_of_the_authors_outermost_first(skips: int) -> None:
    shapes, factors = [(17, 8)] * skips, TOLD["factors_outermost_first"][f"N{skips}"]
    arms = {"none": ("none", {}), "inverse_sqrt2": ("inverse_sqrt2", {})}
    arms |= {f"constant_{kappa}": ("constant", {"kappa": kappa}) for kappa in (0.5, 0.7, 0.95)}
    for name, (answer, knobs) in arms.items():
        same(tensor([gate.kappa for gate in SkipScaling.answer(answer)(**knobs).build(shapes)]), factors[name])


def filled(gate: nn.Module, weights: dict[str, Any]) -> nn.Module:
    layers = {"inner.weight": "W1", "inner.bias": "b1", "outer.weight": "W2", "outer.bias": "b2"}
    gate.double().load_state_dict({ours: tensor(weights[theirs]) for ours, theirs in layers.items()})
    return gate


def test_a_learnable_gate_is_that_of_the_authors_with_one_network_and_with_one_for_each_skip() -> None:
    skips_NBLD, weights = tensor(GIVEN["learnable_N3"]["skips_outermost_first"]), GIVEN["learnable_N3"]["gates"]
    shapes = [(17, 4)] * 3
    shared = SkipScaling.answer("learnable")().build(shapes)
    assert len({id(gate) for gate in shared}) == 1
    filled(shared[0], weights[0])
    single = SkipScaling.answer("learnable")(shared=False).build(shapes)
    for gate, own in zip(reversed(single), weights, strict=True):
        filled(gate, own)
    for arm, gates in (("shared_gate_0", shared), ("one_gate_per_skip", single)):
        for gate, skip_BLD, kappa in zip(gates, skips_NBLD, TOLD["learnable_N3"][arm], strict=True):
            same(gate(skip_BLD).squeeze(2), kappa)
    large = filled(TokenGate(65, 16), GIVEN["learnable_65_places"]["gate"])
    same(large(tensor(GIVEN["learnable_65_places"]["skip"])).squeeze(2), TOLD["learnable_65_places"]["kappa"])


def test_the_time_token_of_u_vit_is_the_bare_embedding_of_the_authors_configuration() -> None:
    embedding = u_vit(GIVEN["time_embedding"]["width"]).embedding
    assert not list(embedding.parameters())
    same(embedding(torch.tensor(GIVEN["time_embedding"]["labels"])), TOLD["time_embedding"], 1e-6)


def test_the_last_convolution_of_u_vit_starts_as_every_other() -> None:
    assert getattr(u_vit().smooth, "init_std", None) is None


def test_a_channel_gate_is_squeeze_and_excitation() -> None:
    """Hu et al. 2018, eq. 2 and 3: s = sigmoid(W2 relu(W1 z)), z the mean over the places, in float64."""
    gate = SkipScaling.answer("learnable_channels")(reduction=4).build([(6, 8)])[0].double()
    skip_BLD = torch.randn(3, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z_BD = skip_BLD.sum(dim=1) / 6
    with torch.no_grad():
        hidden = (z_BD @ gate.inner.weight.T + gate.inner.bias).clamp(min=0)
        same(gate(skip_BLD).squeeze(1), 1 / (1 + torch.exp(-(hidden @ gate.outer.weight.T + gate.outer.bias))))


@pytest.mark.parametrize("L", [1, 4, 50])
def test_the_scalings_of_stable_resnet_are_the_published_ones(L: int) -> None:
    """Uniform 1 / sqrt(L), and decreasing 1 / (sqrt(l) log(l + 1)), of branches counted from 1."""
    uniform, falling, plain, halved = (ResidualScaling.answer(n)() for n in ("stable", "decreasing", "none", "inverse_sqrt2_sum"))
    for n in range(1, L + 1):
        assert uniform.branch(n, L) == pytest.approx(1 / math.sqrt(L), rel=1e-14)
        assert falling.branch(n, L) == pytest.approx(1 / (math.sqrt(n) * math.log(n + 1)), rel=1e-14)
        assert plain.branch(n, L) == plain.sum_factor == halved.branch(n, L) == 1.0
    assert halved.sum_factor == math.sqrt(0.5)


# -- EDM and VP --------------------------------------------------------------------------------------


def test_edm_has_loss_gradient_and_preconditioning_of_its_authors() -> None:
    given, told, edm = EDM_GIVEN["loss_D4"], EDM_TOLD["loss_D4"], Diffusion.answer("edm")()
    normal_B = tensor(given["normal"])
    sigma_B = edm.sigma(0.5 * (1.0 + torch.erf(normal_B / math.sqrt(2.0))))
    same(sigma_B, told["sigma"])
    seen, label, target = edm.training_pair(tensor(given["data"]), tensor(given["noise_unit"]), sigma_B)
    same(seen, told["network_input"])
    same(label, told["c_noise"])
    network = Tiny(given["weights"])
    loss_B = (network(seen, label) - target).square().mean(dim=1)
    same(loss_B, told["loss_by_sample"])
    loss_B.mean().backward()
    network.has_gradients(told["gradient_by_weights"], 1e-12)
    sigma, expected = tensor(EDM_GIVEN["preconditioning"]["sigma"]), EDM_TOLD["preconditioning"]
    c = edm.coefficients(sigma)
    for ours, name in ((c.skip, "c_skip"), (c.out, "c_out"), (c.into, "c_in"), (c.label, "c_noise"), (1 / c.out**2, "loss_weight")):
        same(ours, expected[name])


def test_heun_makes_every_call_of_edms_sampler_and_the_noise_levels_are_theirs() -> None:
    given, told = EDM_GIVEN["sampler"], EDM_TOLD["sampler"]
    for steps in (2, 6, 8, 18, 40):
        same(Sampler.answer("heun")(steps=steps).levels()[:-1], told[f"levels_{steps}"])
    centres, s, calls = tensor(given["means"]), given["standard_deviation"], []

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        calls.append((float(sigma), x))
        variance = s**2 + sigma**2
        off = x.unsqueeze(1) - centres
        share = torch.softmax(-off.square().sum(dim=2) / (2 * variance), dim=1)
        return (share.unsqueeze(2) * (centres + s**2 / variance * off)).sum(dim=1)

    sampler = Sampler.answer("heun")(steps=given["steps"])
    sigmas = sampler.levels()
    end = sampler.sample(denoise, sigmas[0] * tensor(given["latents"]), sigmas)
    same(end, told["end"])
    same(tensor([sigma for sigma, _ in calls]), told["calls_sigma"])
    same(torch.stack([x for _, x in calls]), told["calls_x"])


def test_ddim_is_the_update_of_its_paper() -> None:
    """Song, Meng and Ermon 2021, eq. 12 without noise, in x_t of variance-preserving diffusion; x = x_t / sqrt(alpha)."""
    sigmas = tensor([3.0, 1.2, 0.4, 0.0])
    x = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return torch.tanh(x) / (1 + sigma)

    alphas, xt = 1 / (1 + sigmas**2), x / math.sqrt(1 + 3.0**2)
    for n, (a, b) in enumerate(itertools.pairwise(alphas)):
        clean = denoise(xt / a.sqrt(), sigmas[n])
        noise = (xt - a.sqrt() * clean) / (1 - a).sqrt()
        xt = b.sqrt() * clean + (1 - b).sqrt() * noise
    same(Sampler.answer("ddim")().sample(denoise, x, sigmas), xt)


def test_vp_mixes_as_the_authors_sde_and_asks_for_the_noise() -> None:
    given, told, vp = EDM_GIVEN["vp"], EDM_TOLD["vp"], Diffusion.answer("vp")()
    t = tensor(given["t"])
    sigma_B = vp.sigma((t - 0.001) / 0.999)
    same(sigma_B.square(), told["noise_to_signal_squared"])
    c = vp.coefficients(sigma_B)
    same(c.into, told["alpha"])
    same(c.into * sigma_B, told["sigma"])
    same(c.label, 999 * t)
    clean, noise = torch.randn(2, len(t), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    seen, _, target = vp.training_pair(SIGMA_DATA * clean, noise, sigma_B)
    same(seen, tensor(told["alpha"]).unsqueeze(1) * SIGMA_DATA * clean + tensor(told["sigma"]).unsqueeze(1) * noise)
    same(target, noise, 1e-9)
