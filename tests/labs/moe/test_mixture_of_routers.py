"""Mixture of Routers: one router is the plain softmax, several are a loop's weighted mean, and all of them learn.

Shapes: T tokens, D width, E experts, R routers, k experts per token.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.routing import routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router.mixture_of_routers import MixtureOfRouters, MixtureOfRoutersModule
from engine.labs.moe.remedies.router.softmax_top_k import SoftmaxTopK
from tests.support.routing import no_text


def router(D: int = 6, E: int = 7, k: int = 2, R: int = 3, balance_weight: float = 0.2) -> MixtureOfRoutersModule:
    return initialise(MixtureOfRouters(k=k, routers=R, balance_weight=balance_weight).build(D, E, 4.0, LayerInfo()), 3).double()


def tokens(T: int, D: int = 6, seed: int = 1) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmax_of(rows: list[list[float]], x_D: list[float]) -> list[float]:
    scores = [sum(w * x for w, x in zip(row, x_D, strict=True)) for row in rows]
    total = sum(math.exp(s) for s in scores)
    return [math.exp(s) / total for s in scores]


def mean_vote(made: MixtureOfRoutersModule, x_D: list[float]) -> list[float]:
    """One router after the other, each with its own E rows."""
    weight, E = made.weight.tolist(), made.experts
    out = [0.0] * E
    for j, g in enumerate(softmax_of(made.main.tolist(), x_D)):
        for e, one in enumerate(softmax_of(weight[j * E : (j + 1) * E], x_D)):
            out[e] += g * one
    return out


@pytest.mark.parametrize("k", [1, 3])
def test_one_router_is_softmax_top_k_bit_for_bit(k: int) -> None:
    """Of the same name and so of the same start; in the layer's results, the record, the losses and all gradients."""
    choices = (MixtureOfRouters(k=k, routers=1, balance_weight=0.1), SoftmaxTopK(k=k, balance_weight=0.1))
    layers = [initialise(MoELayer(16, 32, 8, choice.build(16, 32, 1.0, LayerInfo())), 5).train() for choice in choices]
    x_TD, context = tokens(64, 16).float(), no_text(64)
    gradients, records = [], []
    for layer in layers:
        y_TD, losses = layer(x_TD, context)
        (y_TD.square().sum() + losses["balance"]).backward()
        gradients.append([y_TD, losses["balance"], layer.router.weight.grad, layer.weight_in.grad, layer.weight_out.grad])
        records.append(layer.record)
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))
    one, other = records
    for name in ("experts_Tk", "weights_Tk", "probs_TE", "ranked_TE", "counts_E"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert layers[0].router.main.grad.eq(0).all(), "one vote counts whole, whatever the main router says"


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("R", "k"), [(1, 1), (2, 3), (4, 1), (8, 2)])
def test_choice_and_weights_equal_a_loop_over_routers(R: int, k: int, training: bool) -> None:
    made, x_TD = router(k=k, R=R).train(training), tokens(25)
    got = made(x_TD, no_text(25))
    assert got.experts_Tk.shape == (25, k)
    p = [mean_vote(made, x) for x in x_TD.tolist()]
    for t in range(25):
        chosen = sorted(range(7), key=lambda e: -p[t][e])[:k]
        assert got.experts_Tk[t].tolist() == chosen
        assert got.weights_Tk[t].tolist() == pytest.approx([p[t][e] for e in chosen], rel=1e-11)
        assert got.probs_TE[t].tolist() == pytest.approx(p[t], rel=1e-11)
        assert got.logits_TE[t].tolist() == pytest.approx([math.log(one) for one in p[t]], rel=1e-10)
    counts = [sum(e in row for row in got.experts_Tk.tolist()) for e in range(7)]
    mean = [sum(row[e] for row in p) / 25 for e in range(7)]
    assert got.losses["balance"].item() == pytest.approx(0.2 * 7 * sum(c / (25 * k) * m for c, m in zip(counts, mean, strict=True)))
    assert got.gate == "softmax"


def test_of_equal_votes_the_lowest_expert_is_first_and_no_loss_is_left_at_weight_zero() -> None:
    got = router(balance_weight=0.0)(torch.zeros(3, 6, dtype=torch.float64), no_text(3))
    assert got.experts_Tk.tolist() == [[0, 1]] * 3
    assert got.losses == {}


def test_logits_stay_finite_where_a_probability_is_too_small_for_a_number() -> None:
    made = router().float()
    got = made(1e3 * tokens(9).float(), no_text(9))
    assert got.probs_TE.eq(0).any()
    assert got.logits_TE.isfinite().all()


def test_the_gradient_of_weights_and_loss_is_exact() -> None:
    made, x_TD = router(k=2, R=3), tokens(5).requires_grad_()

    def outcome(weight: Tensor, main: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        got = torch.func.functional_call(made, {"weight": weight, "main": main}, (x, no_text(5)))
        return got.weights_Tk, got.losses["balance"]

    given = (made.weight.detach().clone().requires_grad_(), made.main.detach().clone().requires_grad_(), x_TD)
    assert torch.autograd.gradcheck(outcome, given)


def test_gradients_reach_the_main_router_and_every_other() -> None:
    made = router(R=4)
    made(tokens(9), no_text(9)).weights_Tk.square().sum().backward()
    assert made.main.grad.abs().sum(dim=1).gt(0).all()
    assert made.weight.grad.view(4, -1).abs().sum(dim=1).gt(0).all()


def test_the_routers_start_apart_and_as_large_as_a_linear_one() -> None:
    made = initialise(MixtureOfRouters(routers=8).build(64, 32, 1.0, LayerInfo()), 0)
    votes_TRE, main_TR = made.scores(torch.randn(512, 64, generator=torch.Generator().manual_seed(0)))
    assert votes_TRE.std().item() == pytest.approx(0.577, abs=0.03)
    assert main_TR.std().item() == pytest.approx(0.577, abs=0.12)
    best_TR = votes_TRE.argmax(dim=-1)
    assert (best_TR[:, 0] == best_TR[:, 1]).float().mean() < 0.2


def test_no_token_depends_on_another() -> None:
    made, x_TD = router(), tokens(20)
    other_TD = torch.cat([x_TD[:10], 3.0 * x_TD[10:].flip(1)])
    one, two = (made(x, no_text(20)) for x in (x_TD, other_TD))
    assert torch.equal(one.experts_Tk[:10], two.experts_Tk[:10])
    assert torch.equal(one.weights_Tk[:10], two.weights_Tk[:10])


def test_half_precision_around_it_does_not_change_the_scores() -> None:
    made, x_TD = router().float(), tokens(9).float()
    plain = made.scores(x_TD)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert all(torch.equal(one, other) for one, other in zip(made.scores(x_TD), plain, strict=True))


def test_the_lab_trains_with_it() -> None:
    lab = Moe.model_validate({"router": "mixture_of_routers", "batch_size": 2, "context": 16})
    model = lab.model()
    sum(lab.loss(model, lab.batch(0), 0).values()).backward()
    for layer in routed(model).values():
        assert layer.router.main.grad.abs().sum() > 0
        assert layer.router.weight.grad.abs().sum() > 0
