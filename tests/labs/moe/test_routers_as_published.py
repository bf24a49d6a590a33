"""Routers choose, weigh and balance as the papers' and the best-known public code do: recorded numbers, and equations in float64.

Shapes: T tokens, E experts, k experts per token.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice
from engine.labs.moe.remedies.router.hash import HashRouter
from engine.labs.moe.remedies.router.loss_free import move_bias
from engine.labs.moe.remedies.router.softmax_top_k import balance_loss
from kernels.sinkhorn.sinkhorn import sinkhorn
from tests.support.authors import recorded, same, tensor
from tests.support.routing import no_text

GATE_GIVEN, GATE_TOLD = recorded("deepseek_gate")
SINKHORN_GIVEN, SINKHORN_TOLD = recorded("sinkhorn")


def routed(
    answer: str, weight_ED: Tensor, x_TD: Tensor, bias_E: Tensor | None = None, training: bool = True, **knobs: object
) -> RoutingRecord:
    """What the answer's router makes of the tokens, in float64."""
    experts, width = weight_ED.shape
    router = RouterChoice.answer(answer)(**knobs).build(width, experts, 1.0, LayerInfo()).double().train(training)
    router.weight = nn.Parameter(weight_ED)
    if bias_E is not None:
        router.bias_E = bias_E
    return router(x_TD, no_text(len(x_TD)))


# -- loss-free balancing -----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
def test_the_bias_chooses_the_experts_of_deepseeks_gate_and_the_score_weighs_them(k: int) -> None:
    told, bias_E = GATE_TOLD[f"k{k}"], tensor(GATE_GIVEN["bias"])
    weight_ED, x_TD = tensor(GATE_GIVEN["weight"]), tensor(GATE_GIVEN["tokens"])
    plain = routed("loss_free", weight_ED, x_TD, bias_E, k=k)
    assert plain.experts_Tk.tolist() == told["experts"]
    same(plain.weights_Tk, torch.sigmoid(x_TD @ weight_ED.T).gather(1, plain.experts_Tk))
    shared = routed("loss_free", weight_ED, x_TD, bias_E, k=k, renormalise=True)
    assert shared.experts_Tk.tolist() == told["experts"]
    same(shared.weights_Tk, GATE_TOLD[f"megatron_k{k}"]["weights"], 1e-6)  # its scores are float32; one expert keeps its score
    if k > 1:
        same(shared.weights_Tk, told["weights"])


def test_the_bias_moves_as_in_megatron_but_for_a_shift_and_as_in_torchtitan_exactly() -> None:
    given, told = GATE_GIVEN["loss_free"], GATE_TOLD["loss_free"]
    bias_E = torch.zeros(8)
    for counts, megatron, torchtitan in zip(
        given["counts_by_batch"], told["bias_after_megatron"], told["bias_after_torchtitan"], strict=True
    ):
        move_bias(bias_E, torch.tensor(counts), given["update_rate"])
        same(bias_E, torchtitan, 1e-9)
        same(bias_E, tensor(megatron) - tensor(megatron).mean(), 1e-9)


# -- Sinkhorn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "temperature", "iterations", "off"), [("tau1.0", 1.0, 20, 1e-4), ("tau0.3", 0.3, 20, 1e-3), ("tau0.1", 0.1, 400, 1e-3)]
)
def test_the_plan_and_the_choice_are_megatrons(name: str, temperature: float, iterations: int, off: float) -> None:
    scores_TE, told = tensor(SINKHORN_GIVEN["scores"]), SINKHORN_TOLD[name]
    sharp_TE = scores_TE / temperature
    plan_TE = torch.softmax(sharp_TE + sinkhorn(sharp_TE, iterations).g_KE[-1], dim=1) / len(scores_TE)
    same(plan_TE * len(scores_TE), len(scores_TE) * tensor(told["plan"]), off)
    found = routed("sinkhorn", torch.eye(8, dtype=torch.float64), scores_TE, temperature=temperature, iterations=20)
    assert found.experts_Tk.squeeze(1).tolist() == told["experts"]


@pytest.mark.parametrize("k", [1, 2])
def test_one_expert_is_weighed_by_the_sigmoid_and_several_by_the_softmax_as_in_megatron(k: int) -> None:
    scores_TE, told = tensor(SINKHORN_GIVEN["scores"]), SINKHORN_TOLD[f"router_k{k}"]
    for training, weights in ((True, "training_weights"), (False, "evaluation_weights")):
        found = routed("sinkhorn", torch.eye(8, dtype=torch.float64), scores_TE, training=training, k=k, temperature=1.0)
        spread_TE = torch.zeros_like(scores_TE).scatter(1, found.experts_Tk, found.weights_Tk)
        same(spread_TE, told[weights], 1e-6)


# -- Switch, GShard, hash ----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_balance_loss_its_gradient_and_the_weights_are_megatrons(k: int) -> None:
    given, told = recorded("balance_loss")
    logits_TE = tensor(given["logits"]).requires_grad_()
    probs_TE = logits_TE.softmax(dim=1)
    found = routed("softmax_top_k", torch.eye(6, dtype=torch.float64), logits_TE.detach(), k=k, balance_weight=1.0)
    assert found.experts_Tk.tolist() == told[f"k{k}"]["experts"]
    same(found.losses["balance"], told[f"k{k}"]["megatron_loss"], 1e-7)  # theirs counts in float32
    same(found.weights_Tk, told[f"k{k}"]["weights_of_softmax"], 1e-6)
    balance_loss(probs_TE, found.experts_Tk).backward()
    same(logits_TE.grad, told[f"k{k}"]["megatron_gradient_by_logits"], 1e-7)


def test_the_router_z_loss_is_the_mean_squared_logsumexp() -> None:
    given, told = recorded("balance_loss")
    logits_TE = tensor(given["logits"])
    found = routed("softmax_top_k", torch.eye(6, dtype=torch.float64), logits_TE, balance_weight=0.0, z_weight=1.0)
    same(found.losses["router_z"], told["z_loss"]["loss"])


def test_a_hashed_byte_has_a_fixed_expert_and_weight_one() -> None:
    """Roller et al. 2021, section 3.2: a hash of the token alone; here the number of the byte modulo E."""
    ids_T = torch.arange(256)
    found = HashRouter(7, 1)(torch.randn(256, 4), RouteContext(ids_T, 256))
    assert found.experts_Tk.squeeze(1).tolist() == [byte % 7 for byte in range(256)]
    assert found.weights_Tk.eq(1).all()
