"""LocMoE: slices of a token as scores (moe.md, test 12), a balance loss, and a locality loss against a loop.

Shapes: T tokens, L positions of a sequence, D width, E experts, k experts per token, G groups.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.routing import routed
from engine.labs.moe.models.virtual_groups import group_of_experts, home_of_tokens
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router import RouterChoice
from engine.labs.moe.remedies.router.locmoe import LocMoERouter, locality_loss
from engine.labs.moe.remedies.router.softmax_top_k import balance_loss
from tests.support.routing import no_text


def router(D: int = 12, E: int = 4, **knobs: object) -> LocMoERouter:
    return RouterChoice.answer("locmoe")(**knobs).build(D, E, 1.0, LayerInfo())


def tokens(T: int, D: int = 12, seed: int = 1) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("D", "E"), [(64, 32), (12, 4), (13, 4), (7, 5), (5, 5)])
def test_the_gate_s_rows_are_orthogonal_and_equal_the_mean_of_a_slice(D: int, E: int) -> None:
    made, x_TD = router(D, E), tokens(9, D)
    rows_ED = made.mean_ED.double()
    gram_EE = rows_ED @ rows_ED.T
    assert gram_EE.fill_diagonal_(0).eq(0).all()
    if D % E == 0:
        torch.testing.assert_close(rows_ED.square().sum(dim=1), torch.full((E,), E / D, dtype=torch.float64), rtol=1e-6, atol=0)
    begins = [math.ceil(e * D / E) for e in range(E + 1)]
    assert {end - begin for begin, end in itertools.pairwise(begins)} <= {D // E, D // E + 1}
    logits_TE = made.logits(x_TD)
    for x, row in zip(x_TD.tolist(), logits_TE.tolist(), strict=True):
        for e in range(E):
            mean = sum(x[begins[e] : begins[e + 1]]) / (begins[e + 1] - begins[e])
            assert row[e] == pytest.approx(max(mean, 0.0), rel=1e-6)


def test_a_token_goes_where_its_slice_is_largest_and_its_weight_is_the_softmax_of_what_is_not_negative() -> None:
    x_TD = tokens(20)
    got = router()(x_TD, no_text(20))
    for x, experts, weights in zip(x_TD.tolist(), got.experts_Tk.tolist(), got.weights_Tk.tolist(), strict=True):
        scores = [max(0.0, sum(x[3 * e : 3 * e + 3]) / 3) for e in range(4)]
        best = max(range(4), key=lambda e: (scores[e], -e))
        assert experts == [best]
        assert weights[0] == pytest.approx(math.exp(scores[best]) / sum(map(math.exp, scores)), rel=1e-6)
    negative = router()(-x_TD.abs(), no_text(20))
    assert negative.experts_Tk.eq(0).all(), "where all are cut off, the lowest number wins"
    torch.testing.assert_close(negative.weights_Tk, torch.full_like(negative.weights_Tk, 0.25))


def test_it_has_no_parameter_and_what_comes_before_it_gets_the_gradient() -> None:
    made = initialise(MoELayer(12, 4, 5, router(locality_weight=0.1, groups=2)), 0).double()
    assert list(made.router.parameters()) == []
    assert made.router.state_dict() == {}
    x_TD = tokens(16).requires_grad_()
    _, losses = made(x_TD, no_text(16, 4))
    for loss in losses.values():
        (gradient,) = torch.autograd.grad(loss, x_TD, retain_graph=True)
        assert gradient.abs().sum() > 0
    assert set(losses) == {"balance", "locality"}


def test_the_balance_loss_is_weighted_and_left_out_at_zero() -> None:
    x_TD = tokens(30)
    got = router(balance_weight=0.5)(x_TD, no_text(30))
    assert got.losses["balance"].item() == pytest.approx(0.5 * balance_loss(got.probs_TE, got.experts_Tk).item())
    assert router(balance_weight=0.0)(x_TD, no_text(30)).losses == {}


def kl(share: dict[tuple[int, int], Tensor], homes: list[float], G: int, eps: float) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for (home, group), observed in share.items():
        chosen = (1 - eps) * observed + eps * homes[home] / G
        local = homes[home] * ((1 - eps) * (home == group) + eps / G)
        total = total + chosen * (chosen / local).log()
    return total


@pytest.mark.parametrize(("k", "sequences", "G"), [(1, 5, 2), (2, 8, 3), (1, 2, 4)])
def test_the_locality_loss_and_its_gradient_equal_a_loop_over_pairs_of_groups(k: int, sequences: int, G: int) -> None:
    L, E, eps = 3, 8, 0.01
    T = sequences * L
    probs_TE = tokens(T, E).softmax(dim=1).requires_grad_()
    experts_Tk = probs_TE.detach().topk(k).indices
    home = [t // L % G for t in range(T)]
    group = [e * G // E for e in range(E)]
    assert home_of_tokens(T, L, G).tolist() == home
    assert group_of_experts(E, G).tolist() == group
    share = {
        (h, g): torch.tensor(
            sum(group[e] == g for t in range(T) if home[t] == h for e in experts_Tk[t].tolist()) / (T * k), dtype=torch.float64
        ).requires_grad_()
        for h in set(home)
        for g in range(G)
    }
    expected = kl(share, [home.count(h) / T for h in range(G)], G, eps)
    got = locality_loss(probs_TE, experts_Tk, torch.tensor(home), torch.tensor(group), eps)
    torch.testing.assert_close(got, expected)
    slopes = dict(zip(share, torch.autograd.grad(expected, list(share.values())), strict=True))
    (gradient_TE,) = torch.autograd.grad(got, probs_TE)
    for t in range(T):
        for e in range(E):
            assert gradient_TE[t, e].item() == pytest.approx(slopes[home[t], group[e]].item() / T, rel=1e-9, abs=1e-12)


def test_the_locality_loss_is_zero_when_all_stay_at_home_and_falls_along_its_gradient() -> None:
    home_T, group_E = home_of_tokens(8, 2, 4), group_of_experts(8, 4)
    uniform_TE = torch.full((8, 8), 1 / 8, dtype=torch.float64)
    at_home_T1 = (2 * home_T).unsqueeze(1)
    assert locality_loss(uniform_TE, at_home_T1, home_T, group_E).item() == pytest.approx(0.0, abs=1e-12)
    abroad = locality_loss(uniform_TE, (at_home_T1 + 2) % 8, home_T, group_E).item()
    assert abroad == pytest.approx(0.99 * math.log((0.99 + 0.0025) / 0.0025), rel=1e-6)
    logits_TE = torch.zeros(8, 8, dtype=torch.float64, requires_grad=True)
    locality_loss(logits_TE.softmax(dim=1), (at_home_T1 + 2) % 8, home_T, group_E).backward()
    for t in range(8):
        at_home = group_E == home_T[t]
        assert logits_TE.grad[t, at_home].max() < 0


def test_no_result_depends_on_later_tokens() -> None:
    made = initialise(MoELayer(12, 4, 5, router(locality_weight=0.1)), 0).double()
    x_TD = tokens(20)
    other_TD = torch.cat([x_TD[:9], 3.0 * tokens(20, seed=2)[9:]])
    torch.testing.assert_close(made(x_TD, no_text(20))[0][:9], made(other_TD, no_text(20))[0][:9], rtol=1e-12, atol=1e-14)


def test_sizes_that_cannot_be_are_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="A width of 3 cannot be cut into a slice for each of 4 experts; give 4 or more"):
        router(3, 4)
    with pytest.raises(ValueError, match="5 groups of experts were asked for, but the layer has 4 experts; give 1 to 4"):
        router(12, 4, groups=5, locality_weight=0.1)
    assert router(12, 4, groups=5), "without a locality loss nobody needs the groups"


def test_the_lab_trains_with_it() -> None:
    lab = Moe.model_validate({"router": {"is": "locmoe", "locality_weight": 0.01}, "batch_size": 4})
    model = lab.model()
    losses = lab.loss(model, lab.batch(0), 0)
    sum(losses.values()).backward()
    assert set(losses) == {"train", "balance", "locality"}
    assert all(loss.isfinite() for loss in losses.values())
    assert all(layer.record.counts_E.gt(0).sum() > 8 for layer in routed(model).values())
