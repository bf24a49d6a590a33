"""Expert choice against a loop over experts, and the leak that it is an exhibit for (moe.md, test 9).

Shapes: T tokens, E experts, L positions.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.remedies.router.expert_choice import ExpertChoiceRouter, taken
from tests.support.routing import no_text


def layer(E: int = 5, k: int = 1, chunk: int = 0) -> MoELayer:
    return initialise(MoELayer(6, E, 4, ExpertChoiceRouter(6, E, k, 3.0, chunk)), 1).double()


def tokens(T: int, seed: int = 0) -> Tensor:
    return torch.randn(T, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("T", "E", "k", "chunk"), [(20, 5, 1, 0), (23, 5, 2, 0), (24, 4, 1, 7), (6, 8, 1, 0)])
def test_the_layer_equals_a_loop_in_which_each_expert_takes_its_best_tokens(T: int, E: int, k: int, chunk: int) -> None:
    made, x_TD = layer(E, k, chunk), tokens(T).requires_grad_()
    y_TD, losses = made(x_TD, no_text(T))
    p_TE = (x_TD @ made.router.weight.T).softmax(dim=1)
    expected = [torch.zeros(6, dtype=torch.float64) for _ in range(T)]
    for begin in range(0, T, chunk or T):
        part = range(begin, min(begin + (chunk or T), T))
        for e in range(E):
            for t in sorted(part, key=lambda t: -p_TE[t, e].item())[: math.ceil(len(part) * k / E)]:
                expected[t] = expected[t] + p_TE[t, e] * (made.weight_out[e] @ gelu(made.weight_in[e] @ x_TD[t]))
    torch.testing.assert_close(y_TD, torch.stack(expected), rtol=1e-11, atol=1e-13)
    assert losses == {}
    got, want = (
        torch.autograd.grad(y.square().sum(), [x_TD, *made.parameters()], retain_graph=True) for y in (y_TD, torch.stack(expected))
    )
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_every_expert_is_equally_busy_and_tokens_are_not() -> None:
    made = layer(4)
    made.train()(tokens(64), no_text(64))
    assert made.record.counts_E.tolist() == [16] * 4
    each_T = (made.record.experts_Tk >= 0).sum(dim=1)
    assert each_T.min() == 0, "a token that nobody takes"
    assert each_T.max() > 1, "a token that several take"
    assert torch.equal(made.record.kept_Tk, made.record.experts_Tk >= 0)
    assert made.record.weights_Tk[~made.record.kept_Tk].eq(0).all()


def test_of_equal_probabilities_the_earlier_token_is_taken() -> None:
    assert taken(torch.full((6, 3), 1 / 3), 1).nonzero().tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


@pytest.mark.parametrize("chunk", [0, 20])
def test_later_bytes_change_what_earlier_ones_get_unless_they_are_in_another_chunk(chunk: int) -> None:
    made, x_TD = layer(4, chunk=chunk).eval(), tokens(40)
    other_TD = torch.cat([x_TD[:20], tokens(40, seed=9)[20:]])
    with torch.no_grad():
        moved = (made(x_TD, no_text(40))[0][:20] - made(other_TD, no_text(40))[0][:20]).abs().max().item()
    assert moved > 1e-3 if not chunk else moved == 0.0
