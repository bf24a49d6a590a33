"""The routers' own mathematics: balance loss, z-loss, and the bias that balances without a loss."""

from __future__ import annotations

import math

import pytest
import torch

from engine.labs.moe.models.routing import RouteContext, routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router import RouterChoice
from engine.labs.moe.remedies.router.hash import HashRouter
from engine.labs.moe.remedies.router.loss_free import LossFreeRouter, move_bias
from engine.labs.moe.remedies.router.softmax_top_k import SoftmaxTopKRouter, balance_loss
from tests.support.routing import no_text


@pytest.mark.parametrize(("T", "E"), [(32, 8), (96, 32), (35, 7)])
def test_the_balance_loss_is_one_at_uniform_and_the_number_of_experts_at_total_collapse(T: int, E: int) -> None:
    uniform_TE = torch.full((T, E), 1 / E, dtype=torch.float64)
    even_T1 = (torch.arange(T) % E).unsqueeze(1)
    assert balance_loss(uniform_TE, even_T1).item() == pytest.approx(1.0)
    one_TE = torch.zeros(T, E, dtype=torch.float64)
    one_TE[:, 3] = 1.0
    assert balance_loss(one_TE, torch.full((T, 1), 3)).item() == pytest.approx(E)


def test_the_balance_loss_divides_its_counts_by_all_assignments_when_k_is_above_one() -> None:
    probs_TE = torch.rand(20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).softmax(-1)
    experts_Tk = torch.randint(6, (20, 3), generator=torch.Generator().manual_seed(1))
    f = [sum(int(e) == i for row in experts_Tk for e in row) / 60 for i in range(6)]
    p = [sum(row[i].item() for row in probs_TE) / 20 for i in range(6)]
    assert balance_loss(probs_TE, experts_Tk).item() == pytest.approx(6 * sum(a * b for a, b in zip(f, p, strict=True)))


def test_the_router_scales_the_balance_loss_by_its_weight_and_leaves_it_out_at_zero() -> None:
    x_TD, context = torch.zeros(16, 4), no_text(16)
    router = SoftmaxTopKRouter(4, 8, 1, 1.0, balance_weight=0.25, z_weight=0.5)
    with torch.no_grad():
        router.weight.normal_(generator=torch.Generator().manual_seed(0))
    losses = router(x_TD, context).losses  # zero tokens: all logits 0, so P is uniform and any f gives E * 1/E
    assert losses["balance"].item() == pytest.approx(0.25)
    assert losses["router_z"].item() == pytest.approx(0.5 * math.log(8) ** 2)
    assert SoftmaxTopKRouter(4, 8, 1, 1.0, 0.0, 0.0)(x_TD, context).losses == {}


def test_the_balance_loss_pushes_probability_away_from_the_busy_expert() -> None:
    logits_TE = torch.zeros(12, 4, dtype=torch.float64, requires_grad=True)
    experts_T1 = torch.tensor([[2]] * 9 + [[0], [1], [3]])
    balance_loss(logits_TE.softmax(-1), experts_T1).backward()
    gradient_E = logits_TE.grad.sum(0)
    assert gradient_E[2] > 0
    assert all(gradient_E[e] < 0 for e in (0, 1, 3))


def violation_after_500_updates(update_rate: float) -> float:
    """Skewed synthetic scores, 16 experts, 2 per token: MaxVio after the controller has worked on them."""
    draw = torch.Generator().manual_seed(0)
    skew_E = torch.randn(16, generator=draw)
    bias_E, counts_E = torch.zeros(16), torch.zeros(16)
    for _ in range(500):
        scores_TE = torch.sigmoid(torch.randn(4096, 16, generator=draw) + skew_E)
        counts_E = torch.bincount((scores_TE + bias_E).topk(2).indices.flatten(), minlength=16)
        move_bias(bias_E, counts_E, update_rate)
    assert abs(bias_E.mean().item()) < 1e-5
    return (counts_E.max() / counts_E.float().mean() - 1).item()


def test_the_bias_balances_at_the_papers_rate_swings_at_a_large_one_and_ruins_with_the_sign_reversed() -> None:
    none = violation_after_500_updates(0.0)
    assert violation_after_500_updates(1e-3) < 0.15
    assert violation_after_500_updates(0.1) > 0.6
    assert violation_after_500_updates(-1e-3) > none


def test_one_update_raises_the_starved_lowers_the_busy_and_keeps_the_mean_at_zero() -> None:
    bias_E = torch.zeros(4)
    move_bias(bias_E, torch.tensor([10, 0, 3, 3]), 0.5)
    assert bias_E.tolist() == [-0.625, 0.375, 0.375, -0.125] or bias_E.sum().abs() < 1e-6
    assert bias_E[1] > bias_E[0]
    level_E = torch.zeros(4)
    move_bias(level_E, torch.tensor([7, 7, 7, 7]), 0.5)
    assert level_E.eq(0).all()


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
def test_the_bias_chooses_but_does_not_weigh(gate: str) -> None:
    router = LossFreeRouter(5, 4, 1, 1.0, gate, 0.1)
    torch.nn.init.normal_(router.weight, generator=torch.Generator().manual_seed(0))
    x_TD = torch.randn(9, 5, generator=torch.Generator().manual_seed(1))
    router.bias_E[2] = 100.0
    got = router(x_TD, no_text(9))
    assert got.experts_Tk.eq(2).all()
    logits_TE = x_TD @ router.weight.T
    scores_TE = logits_TE.softmax(-1) if gate == "softmax" else logits_TE.sigmoid()
    torch.testing.assert_close(got.weights_Tk[:, 0], scores_TE[:, 2])
    assert got.losses == {}


def test_the_bias_moves_once_per_optimizer_step_by_the_counts_of_all_its_forward_passes() -> None:
    router = LossFreeRouter(4, 2, 1, 1.0, "softmax", 0.1)
    router.observe(torch.tensor([9, 1]))
    router.observe(torch.tensor([0, 10]))
    assert router.bias_E.eq(0).all()
    router.after_step()
    torch.testing.assert_close(router.bias_E, torch.tensor([0.1, -0.1]))
    router.observe(torch.tensor([10, 9]))
    router.after_step()
    torch.testing.assert_close(router.bias_E, torch.zeros(2))


def test_the_bias_is_saved_with_the_weights_and_no_optimizer_touches_it() -> None:
    router = LossFreeRouter(4, 2, 1, 1.0, "softmax", 0.1)
    assert "bias_E" in router.state_dict()
    assert "bias_E" not in dict(router.named_parameters())
    assert router.bias_E.dtype == torch.float32


def test_evaluation_moves_no_bias() -> None:
    lab = Moe.model_validate({"router": {"is": "loss_free", "update_rate": 0.1}})
    model = lab.model().eval()
    with torch.no_grad():
        lab.loss(model, next(lab.validation()), 0)
    lab.after_step(model, 0)
    assert all(layer.router.bias_E.eq(0).all() for layer in routed(model).values())


def test_hash_sends_a_byte_to_its_number_modulo_the_experts_with_weight_one() -> None:
    ids_T = torch.tensor([0, 31, 32, 33, 255])
    got = HashRouter(32, k=1)(torch.zeros(5, 8), RouteContext(ids_T, 5))
    assert got.experts_Tk.flatten().tolist() == [0, 31, 0, 1, 31]
    assert got.weights_Tk.eq(1).all()
    assert got.logits_TE is None
    assert got.probs_TE.sum(-1).eq(1).all()


@pytest.mark.parametrize("answer", RouterChoice.answers())
def test_the_first_losses_of_all_learned_softmax_arms_are_those_of_the_unbalanced_one(answer: str) -> None:
    nested = {"is": answer} | ({"gate": "softmax"} if answer == "loss_free" else {})
    arm, unbalanced = Moe.model_validate({"router": nested}), Moe.model_validate({"router": {"is": "softmax_top_k", "balance_weight": 0.0}})
    one, two = (lab.loss(lab.model(), lab.batch(0), 0)["train"].item() for lab in (arm, unbalanced))
    if answer in ("hash", "locmoe", "sinkhorn", "smear"):  # they send the first batch elsewhere, or nowhere
        assert one != two
    else:
        assert one == pytest.approx(two, abs=1e-6)
