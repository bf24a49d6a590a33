"""SMEAR: the merged expert against a loop that merges one matrix after the other, and what a byte may know of the others.

Shapes: B sequences, L positions, T = B L tokens, D width, E experts, n hidden units.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.routing import routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router import RouterChoice
from engine.labs.moe.remedies.router.smear import SmearRouter
from tests.support.routing import no_text

D, E, n = 6, 5, 4


def layer(segment: int | None, init_factor: float = 100.0) -> MoELayer:
    """In float64, with every parameter of the router away from its start."""
    made = initialise(MoELayer(D, E, n, SmearRouter(D, E, init_factor, segment)), 3).double()
    seeded = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in (made.router.norm.weight, made.router.norm.bias, made.router.gain, made.router.bias):
            parameter += 0.3 * torch.randn(parameter.shape, generator=seeded, dtype=torch.float64)
    return made


def tokens(T: int, seed: int = 1) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def normalised(v: Tensor) -> Tensor:
    return (v - v.mean()) / (v.var(unbiased=False) + 1e-5).sqrt()


def mixture(router: SmearRouter, known: Tensor) -> Tensor:
    """Softmax over the experts from the tokens that may be known -> (E,)."""
    logits = []
    for e in range(E):
        score = router.bias[e]
        if len(known):
            z_D = normalised(known.mean(dim=0)) * router.norm.weight + router.norm.bias
            score = score + (normalised(router.weight[e]) * (router.start + router.gain) * z_D).sum()
        logits.append(score)
    return torch.stack(logits).softmax(dim=0)


def by_loops(made: MoELayer, x_TD: Tensor, L: int, segment: int | None) -> tuple[Tensor, Tensor]:
    """-> what each token gets, and its mixture."""
    rows, mixtures = [], []
    for begin in range(0, len(x_TD), L):
        sequence = x_TD[begin : begin + L]
        for start in range(0, L, segment or L):
            pi_E = mixture(made.router, sequence if segment is None else sequence[:start])
            w_in = sum(pi_E[e] * made.weight_in[e] for e in range(E))
            w_out = sum(pi_E[e] * made.weight_out[e] for e in range(E))
            for x_D in sequence[start : start + (segment or L)]:
                rows.append(w_out @ nn.functional.gelu(w_in @ x_D))
                mixtures.append(pi_E)
    return torch.stack(rows), torch.stack(mixtures)


@pytest.mark.parametrize(("L", "segment"), [(12, 4), (11, 4), (7, 1), (5, 8), (9, None)])
def test_the_layer_equals_a_loop_over_sequences_and_segments_that_merges_the_experts_one_by_one(L: int, segment: int | None) -> None:
    made, x_TD = layer(segment), tokens(3 * L).requires_grad_()
    y_TD, losses = made(x_TD, no_text(3 * L, L))
    expected_TD, pi_TE = by_loops(made, x_TD, L, segment)
    torch.testing.assert_close(y_TD, expected_TD, rtol=1e-10, atol=1e-12)
    record = made.record
    torch.testing.assert_close(record.soft_TE, pi_TE.detach(), rtol=1e-10, atol=1e-12)
    assert torch.equal(record.soft_TE, record.probs_TE)
    assert record.experts_Tk.flatten().tolist() == pi_TE.argmax(dim=1).tolist()
    assert record.weights_Tk.eq(1).all()
    torch.testing.assert_close(record.counts_E, pi_TE.detach().sum(dim=0), rtol=1e-10, atol=1e-12)  # the load is what each is mixed in
    assert losses == {}
    every = [x_TD, *made.parameters()]
    got, want = (torch.autograd.grad(y.square().sum(), every, retain_graph=True, allow_unused=True) for y in (y_TD, expected_TD))
    for one, other in zip(got, want, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("segment", [3, None])
def test_its_gradient_is_that_of_finite_differences(segment: int | None) -> None:
    made, x_TD = layer(segment, 30.0), tokens(7).requires_grad_()
    names = [name for name, _ in made.named_parameters()]
    values = [parameter.detach().clone().requires_grad_() for parameter in made.parameters()]

    def result(x: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(made, dict(zip(names, parameters, strict=True)), (x, no_text(7)))[0]

    assert torch.autograd.gradcheck(result, (x_TD, *values), fast_mode=True)


def test_the_gradient_of_one_token_reaches_every_expert_and_all_of_the_router() -> None:
    made, x_TD = layer(2), tokens(6)
    made(x_TD, no_text(6))[0][5].square().sum().backward()
    assert made.weight_in.grad.flatten(1).abs().sum(dim=1).gt(0).all()
    assert made.weight_out.grad.flatten(1).abs().sum(dim=1).gt(0).all()
    for name, parameter in made.router.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def moved(made: MoELayer, first: int, L: int = 12) -> Tensor:
    """How far each of the earlier tokens moves when those from `first` on are others -> (first,)."""
    x_TD = tokens(L)
    other_TD = torch.cat([x_TD[:first], 3.0 * tokens(L, 2)[first:]])
    with torch.no_grad():
        return (made(x_TD, no_text(L))[0] - made(other_TD, no_text(L))[0])[:first].abs().amax(dim=1)


def test_a_segment_knows_nothing_of_later_bytes_and_a_whole_sequence_tells_a_byte_its_future() -> None:
    for first in range(1, 12):
        assert moved(layer(4), first).eq(0).all()
        assert moved(layer(None), first).min() > 1e-3


def test_no_sequence_knows_of_another() -> None:
    made, x_TD = layer(4), tokens(24)
    other_TD = torch.cat([x_TD[:12], tokens(12, 9)])
    assert torch.equal(made(x_TD, no_text(24, 12))[0][:12], made(other_TD, no_text(24, 12))[0][:12])


def test_the_first_segment_is_routed_by_the_bias_alone() -> None:
    made = layer(4)
    made(tokens(24), no_text(24, 12))
    first_TE = made.record.soft_TE.view(2, 12, E)[:, :4]
    torch.testing.assert_close(first_TE, made.router.bias.detach().softmax(dim=0).expand_as(first_TE))


def test_the_gain_starts_as_published_times_the_factor_and_the_size_of_the_weights_is_normalised_away() -> None:
    made = RouterChoice.answer("smear")().build(64, 32, 3.0, LayerInfo())
    initialise(made, 0)
    assert made.start == pytest.approx(0.03)
    assert made.gain.eq(0).all()
    x_TD = torch.randn(9, 64, generator=torch.Generator().manual_seed(0))
    before_TE = made.logits(x_TD).detach()
    assert before_TE.std().item() == pytest.approx(0.03 * 8, rel=0.2), "64 unit products of unit-variance entries"
    with torch.no_grad():
        made.weight *= 7.0
    torch.testing.assert_close(made.logits(x_TD), before_TE, rtol=5e-3, atol=1e-3)


def test_the_lab_trains_with_it() -> None:
    lab = Moe.model_validate({"router": {"is": "smear"}, "batch_size": 2})
    model = lab.model()
    lab.loss(model, lab.batch(0), 0)["train"].backward()
    for module in routed(model).values():
        assert module.record.soft_TE.shape == (128, 32)
        assert module.router.weight.grad.abs().sum() > 0
        assert module.weight_in.grad.flatten(1).abs().sum(dim=1).gt(0).all()
