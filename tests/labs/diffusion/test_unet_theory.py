"""Theorems 1 and 3 of ScaleLong at initialisation, and the gates: what the panel shows and what the remedies multiply with."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine.labs.diffusion.models.additive_unet import energies_and_gains, features, weights
from engine.labs.diffusion.models.skip_gates import ChannelGate, ConstantGate, SkipFusion, TokenGate
from engine.labs.diffusion.panels.skip_energy import SkipEnergy, kappas, predicted_energy, predicted_gain
from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling
from engine.labs.diffusion.remedies.skip_scaling import SkipScaling

SEEDS = range(12)
SHAPES = [(64, 24)] * 3 + [(16, 24)] * 2


def mean_of(rule: str, kappa: float, skips: int, what: int, width: int = 256) -> float:
    return sum(energies_and_gains([kappas(rule, kappa, skips)], skips, width, seed)[0][what] for seed in SEEDS) / len(SEEDS)


def test_energy_grows_with_the_skips_and_constant_scaling_stops_it() -> None:
    plain, scaled = (mean_of(r, k, 16, 0) / mean_of(r, k, 4, 0) for r, k in (("no scaling", 1.0), ("constant (CS)", 0.7)))
    assert plain > 4.0
    assert scaled < 1.6


def test_the_gain_grows_with_the_skips_and_constant_scaling_stops_it() -> None:
    plain, scaled = (mean_of(r, k, 16, 1) / mean_of(r, k, 4, 1) for r, k in (("no scaling", 1.0), ("constant (CS)", 0.7)))
    assert plain > 1.6
    assert scaled < 1.2


@pytest.mark.parametrize("skips", [1, 4, 8])
@pytest.mark.parametrize(("rule", "kappa"), [("no scaling", 1.0), ("1/√2", 1.0), ("constant (CS)", 0.7), ("constant (CS)", 0.5)])
def test_what_is_measured_is_what_the_wide_network_predicts(rule: str, kappa: float, skips: int) -> None:
    factors = kappas(rule, kappa, skips)
    assert mean_of(rule, kappa, skips, 0) == pytest.approx(predicted_energy(factors), rel=0.25)
    assert mean_of(rule, kappa, skips, 1) == pytest.approx(predicted_gain(factors), rel=0.08)


def test_the_additive_network_is_the_recursion_of_the_paper() -> None:
    layers = weights(3, 8, torch.Generator().manual_seed(1)).double()
    x, factors = torch.randn(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2)), [1.0, 0.7, 0.49]
    w = [layer.numpy() for layer in layers]

    def f(i: int, x: np.ndarray) -> np.ndarray:
        if i == 3:
            return np.maximum(w[3] @ x, 0)
        a = np.maximum(w[i] @ x, 0)
        return np.maximum(w[4 + i] @ (factors[i] * a + f(i + 1, a)), 0)

    expected = np.stack([f(0, row) for row in x.numpy()])
    assert np.allclose(features(x, layers, factors).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_two_outputs_of_independent_relu_layers_are_not_orthogonal() -> None:
    """The correction that is drawn: their cosine is 1/π for one input, which is 2/π in 2 ⟨a, b⟩."""
    layers = weights(1, 2048, torch.Generator().manual_seed(5))
    x = torch.randn(2048, generator=torch.Generator().manual_seed(6))
    a, b = (torch.relu(layer @ x) for layer in layers[:2])
    assert float(torch.dot(a, b) / (a.norm() * b.norm())) == pytest.approx(1 / math.pi, abs=0.03)


def test_the_panel_agrees_with_itself_and_says_why_it_draws_two_lines() -> None:
    panel = SkipEnergy(skips=6, width=32)
    frames = panel.compute()
    assert frames == panel.compute(), "a pure function of its fields"
    assert {len(column) for column in frames["predicted"].values()} == {3 * 6}
    assert panel.figure(frames).to_json()
    drawn = {(t.name, t.line.dash, t.yaxis): list(t.y) for t in panel.figure(frames).data if t.mode == "lines"}
    assert drawn["no scaling", "dot", None] == [1.0 + n for n in range(1, 7)], "the theorem's line"
    assert drawn["no scaling", "dot", "y2"] == [1.0 + n for n in range(1, 7)]
    assert drawn["no scaling", None, "y2"] == pytest.approx([math.sqrt(1 + n) for n in range(1, 7)])
    assert drawn["no scaling", None, None][-1] > 1.5 * drawn["no scaling", "dot", None][-1], "two lines, not one"
    message = panel.sentence(frames)
    for reason in ("no negative entry", "(2/π) κ √e", "1 + Σκ²", "√(1 + Σκ²)"):
        assert reason in message
    assert message.endswith(").")
    assert "6 skips" in message


def built(answer: str, **knobs: object) -> list[torch.nn.Module]:
    return SkipScaling.answer(answer).model_validate(knobs).build(SHAPES)


def test_constant_scaling_gives_the_outermost_skip_one_and_the_deepest_kappa_to_the_power_of_the_others() -> None:
    gates = built("constant", kappa=0.6)
    assert [gate.kappa for gate in gates] == pytest.approx([0.6**i for i in range(5)], rel=1e-12)
    assert gates[0].kappa == 1.0
    assert gates[-1].kappa == pytest.approx(0.6**4)
    assert [g.kappa for g in built("none")] == [1.0] * 5
    assert [g.kappa for g in built("inverse_sqrt2")] == pytest.approx([math.sqrt(0.5)] * 5)


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_learned_gates_have_the_shapes_and_the_parameter_count_of_the_released_code() -> None:
    gate = TokenGate(257, 16)
    assert (gate.inner.out_features, gate.outer.out_features) == (16, 257)
    assert count(gate) == 8497
    assert gate(torch.randn(3, 257, 8)).shape == (3, 257, 1)
    assert ChannelGate(32, 16)(torch.randn(3, 257, 32)).shape == (3, 1, 32)
    assert count(ChannelGate(32, 16)) == 32 * 2 + 2 + 2 * 32 + 32
    assert TokenGate(4, 16)(torch.randn(2, 4, 8)).shape == (2, 4, 1), "never narrower than one unit"


@pytest.mark.parametrize("make", [lambda: TokenGate(10, 4), lambda: ChannelGate(6, 4)])
def test_a_learned_gate_is_a_sigmoid_of_two_layers_of_the_mean(make) -> None:
    gate, s = make(), torch.randn(3, 10, 6)
    pooled = s.mean(2 if isinstance(gate, TokenGate) else 1).double().numpy()
    w1, b1, w2, b2 = (p.detach().double().numpy() for p in gate.parameters())
    expected = 1 / (1 + np.exp(-(np.maximum(pooled @ w1.T + b1, 0) @ w2.T + b2)))
    assert np.allclose(gate(s).detach().squeeze().numpy(), expected, atol=1e-6)
    assert ((gate(s) > 0) & (gate(s) < 1)).all()


@pytest.mark.parametrize("answer", ["learnable", "learnable_channels"])
def test_shared_gates_are_one_module_and_others_are_not(answer: str) -> None:
    shared, own = built(answer, shared=True, reduction=4), built(answer, shared=False, reduction=4)
    assert shared[0] is shared[1] is shared[2]
    assert shared[3] is shared[4]
    assert (shared[0] is shared[3]) == (answer == "learnable_channels"), "a gate per place needs one network per resolution"
    assert len({id(gate) for gate in own}) == 5


def test_fusion_is_one_layer_on_the_concatenation_with_the_scaled_skip() -> None:
    fusion = SkipFusion(6, ConstantGate(0.3))
    h, s = torch.randn(2, 5, 6), torch.randn(2, 5, 6)
    whole = torch.cat([fusion.main.weight, fusion.skip.weight], dim=1)
    expected = torch.cat([h, 0.3 * s], dim=2) @ whole.T + fusion.main.bias
    assert torch.allclose(fusion(h, s), expected, atol=1e-6)


def test_residual_factors_keep_what_their_papers_promise() -> None:
    stable, falling, edm, none = (ResidualScaling.answer(a)() for a in ("stable", "decreasing", "inverse_sqrt2_sum", "none"))
    assert sum(stable.branch(n, 25) ** 2 for n in range(1, 26)) == pytest.approx(1.0)
    squares = [falling.branch(n, 10**6) ** 2 for n in range(1, 20_000)]
    assert squares == sorted(squares, reverse=True)
    assert squares[0] == pytest.approx(math.log(2) ** -2)
    assert sum(squares[10_000:]) < 0.12, "the tail of the squares vanishes"
    assert (edm.sum_factor, edm.branch(3, 9), none.branch(3, 9), none.sum_factor) == (2**-0.5, 1.0, 1.0, 1.0)
