"""DeepSeek-V3's gate against a loop over tokens, and the loss of each sequence against one over sequences.

Shapes: T tokens, D width, E experts, L positions.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.remedies.router.deepseek_v3 import DeepSeekV3, DeepSeekV3Router, sequence_loss
from tests.support.routing import no_text

D, E = 6, 12


def tokens(T: int, seed: int = 0) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("k", "groups", "opened"), [(1, 1, 1), (3, 4, 2), (2, 3, 1), (4, 6, 6), (1, 4, 2)])
def test_the_gate_equals_a_loop_over_tokens(k: int, groups: int, opened: int) -> None:
    made = initialise(DeepSeekV3Router(D, E, k, 3.0, groups, opened, scale=2.5), 1).double()
    made.bias_E.copy_(torch.linspace(-0.3, 0.3, E)[torch.randperm(E, generator=torch.Generator().manual_seed(0))])
    x_TD, bias = tokens(20), made.bias_E.tolist()
    got = made(x_TD, no_text(20, 10))
    for t, row in enumerate((x_TD @ made.weight.T).tolist()):
        s = [1 / (1 + math.exp(-v)) for v in row]
        ranked = [a + b for a, b in zip(s, bias, strict=True)]
        members = [range(g * E // groups, (g + 1) * E // groups) for g in range(groups)]
        best = sorted(range(groups), key=lambda g: (-sum(sorted((ranked[e] for e in members[g]), reverse=True)[:2]), g))[:opened]
        allowed = [e for g in best for e in members[g]]
        chosen = sorted(allowed, key=lambda e: (-ranked[e], e))[:k]
        assert got.experts_Tk[t].tolist() == chosen
        share = sum(s[e] for e in chosen) if k > 1 else 1.0
        assert got.weights_Tk[t].tolist() == pytest.approx([2.5 * s[e] / share for e in chosen])


def test_the_loss_of_a_sequence_is_1_at_even_load_and_equals_a_loop() -> None:
    scores_TE = tokens(24).new_tensor(torch.rand(24, E, generator=torch.Generator().manual_seed(5)).tolist())
    L, k, total = 8, 2, 0.0
    for b in range(3):
        rows = scores_TE[b * L : (b + 1) * L].tolist()
        top = [sorted(range(E), key=lambda e: -row[e])[:k] for row in rows]
        f = [E / (k * L) * sum(e in chosen for chosen in top) for e in range(E)]
        P = [sum(row[e] / sum(row) for row in rows) / L for e in range(E)]
        total += sum(a * b for a, b in zip(f, P, strict=True)) / 3
    assert float(sequence_loss(scores_TE, k, L)) == pytest.approx(total)
    even_TE = torch.full((E, E), 0.01, dtype=torch.float64).fill_diagonal_(0.02)
    assert float(sequence_loss(even_TE, 1, E)) == pytest.approx(1.0)
    collapsed_TE = torch.full((E, E), 1e-9, dtype=torch.float64)
    collapsed_TE[:, 3] = 1.0
    assert float(sequence_loss(collapsed_TE, 1, E)) == pytest.approx(E, rel=1e-6), "collapsed routing costs more"


def test_the_bias_moves_towards_idle_experts_once_per_step_and_takes_no_gradient() -> None:
    made = initialise(DeepSeekV3Router(D, E, 2, 1.0, update_rate=0.01), 1)
    made.observe(torch.tensor([5] + [1] * (E - 1)))
    made.after_step()
    assert made.bias_E[0] < made.bias_E[1]
    assert float(made.bias_E.sum()) == pytest.approx(0.0, abs=1e-6)
    assert [name for name, _ in made.named_parameters()] == ["weight"]
    assert "bias_E" in made.state_dict()


def test_groups_that_do_not_fit_are_made_to_fit() -> None:
    build = DeepSeekV3(groups=8, open_groups=1, k=6).build
    made = build(D, 32, 1.0, LayerInfo())
    assert (made.groups, made.open_groups) == (8, 2), "six experts need two groups of four"
    assert build(D, 12, 1.0, LayerInfo()).groups == 1
    assert build(D, 8, 1.0, LayerInfo()).groups == 1, "a group of one expert has no two best scores"
