"""SMoE-Dropout: how k grows, what the frozen router chooses and how it weighs, against loops in float64.

Shapes: T tokens, D width, E experts, k experts per token, n hidden units of an expert.
"""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.routing import routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router._growing_k import Schedule
from engine.labs.moe.remedies.router.smoe_dropout import SMoEDropout, SMoEDropoutRouter
from tests.support.routing import no_text


def router(D: int = 6, E: int = 7, k_min: int = 2, k_max: int = 5, steps: int = 10) -> SMoEDropoutRouter:
    made = SMoEDropout(k_min=k_min, k_max=k_max).build(D, E, 2.0, LayerInfo(0, 0, steps))
    return initialise(made, 3).double()


def tokens(T: int, D: int = 6, seed: int = 1) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmax_of(scores: list[float]) -> list[float]:
    total = sum(math.exp(s) for s in scores)
    return [math.exp(s) / total for s in scores]


def best(scores: list[float], k: int) -> list[int]:
    """One after the other the largest that is left, the lowest id among equals."""
    left, out = list(range(len(scores))), []
    for _ in range(k):
        winner = left[0]
        for e in left:
            if scores[e] > scores[winner]:
                winner = e
        out.append(winner)
        left.remove(winner)
    return out


@pytest.mark.parametrize(("k_min", "k_max", "steps"), [(2, 4, 300), (8, 16, 400), (1, 7, 7), (3, 3, 50), (1, 2, 1)])
def test_k_grows_evenly_from_the_first_to_the_last_step(k_min: int, k_max: int, steps: int) -> None:
    schedule = Schedule(k_min, k_max, steps)
    grown = [schedule.k(t) for t in range(steps + 1)]
    assert grown == [k_min + round(Fraction((k_max - k_min) * t, steps)) for t in range(steps + 1)]
    assert grown == sorted(grown)
    assert grown[0] == k_min
    assert grown[-1] == k_max
    assert schedule.k(steps + 5) == k_max
    assert {*grown} == {*range(k_min, k_max + 1)}, "and leaves none out"


def test_a_first_k_above_the_last_and_a_k_above_the_experts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"k_min=5 is larger than k_max=4"):
        SMoEDropout(k_min=5, k_max=4).build(6, 32, 1.0, LayerInfo(0, 0, 10))
    with pytest.raises(ValueError, match=r"k=9 experts per token"):
        SMoEDropout(k_min=2, k_max=9).build(6, 8, 1.0, LayerInfo(0, 0, 10))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("step", "k"), [(0, 2), (3, 3), (5, 4), (10, 5)])
def test_a_step_has_exactly_its_own_k_columns_in_training_and_in_evaluation(step: int, k: int, training: bool) -> None:
    made, x_TD = router().train(training), tokens(11)
    got = made(x_TD, no_text(11, step=step))
    assert got.experts_Tk.shape == (11, k)
    assert got.kept_Tk is None
    for t in range(11):
        scores = [sum(x * w for x, w in zip(x_TD[t].tolist(), row, strict=True)) for row in made.weight.tolist()]
        chosen = best(scores, k)
        assert got.experts_Tk[t].tolist() == chosen
        assert got.weights_Tk[t].tolist() == pytest.approx(softmax_of([scores[e] for e in chosen]), rel=1e-12)
        assert got.probs_TE[t].tolist() == pytest.approx(softmax_of(scores), rel=1e-12)
    assert got.losses == {}
    assert made.k == 5


def test_of_equal_scores_the_lowest_expert_is_first() -> None:
    made = router()
    got = made(torch.zeros(3, 6, dtype=torch.float64), no_text(3, step=5))
    assert got.experts_Tk.tolist() == [[0, 1, 2, 3]] * 3
    assert got.weights_Tk.eq(0.25).all()


def test_the_router_gets_no_gradient_and_the_tokens_get_that_of_the_weights() -> None:
    made, x_TD = router(), tokens(5).requires_grad_()
    assert not made.weight.requires_grad
    assert [name for name, p in made.named_parameters() if p.requires_grad] == []
    assert torch.autograd.gradcheck(lambda x: made(x, no_text(5, step=5)).weights_Tk, (x_TD,))
    made(x_TD, no_text(5, step=5)).weights_Tk.square().sum().backward()
    assert made.weight.grad is None
    assert x_TD.grad.abs().sum() > 0


@pytest.mark.parametrize("step", [0, 10])
def test_a_layer_equals_a_loop_over_tokens_and_chosen_experts(step: int) -> None:
    made = initialise(MoELayer(6, 7, 4, router()), 2).double()
    x_TD = tokens(9)
    got, losses = made(x_TD, no_text(9, step=step))
    assert losses == {}
    for t in range(9):
        scores = (made.router.weight @ x_TD[t]).tolist()
        chosen = best(scores, 2 if step == 0 else 5)
        expected_D = torch.zeros(6, dtype=torch.float64)
        for e, w in zip(chosen, softmax_of([scores[e] for e in chosen]), strict=True):
            expected_D += w * (made.weight_out[e] @ torch.nn.functional.gelu(made.weight_in[e] @ x_TD[t]))
        torch.testing.assert_close(got[t], expected_D, rtol=1e-11, atol=1e-13)


def test_no_token_depends_on_another() -> None:
    made, x_TD = router(), tokens(20)
    other_TD = torch.cat([x_TD[:10], 3.0 * x_TD[10:].flip(1)])
    one, two = (made(x, no_text(20, step=5)) for x in (x_TD, other_TD))
    assert torch.equal(one.experts_Tk[:10], two.experts_Tk[:10])
    assert torch.equal(one.weights_Tk[:10], two.weights_Tk[:10])


def test_training_leaves_the_router_as_the_seed_drew_it() -> None:
    """And weight decay with it; the experts move, and the k of a step follows from the steps of the run."""
    lab = Moe.model_validate({"router": {"is": "smoe_dropout"}, "batch_size": 2, "context": 16, "steps": 6, "experts": 8})
    model = lab.model()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = lab.optimizer.build(model.named_parameters(), 0.01)
    columns = []
    for step in range(6):
        sum(lab.loss(model, lab.batch(step), step).values()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        columns.append(routed(model)["blocks.1.moe"].record.experts_Tk.shape[1])
    assert columns == [2, 2, 3, 3, 3, 4]
    for name, p in model.named_parameters():
        assert torch.equal(p, start[name]) == ("router" in name), name
    again, other = lab.model(), lab.model_copy(update={"seed": 1}).model()
    assert torch.equal(again.blocks[0].moe.router.weight, model.blocks[0].moe.router.weight)
    assert not torch.equal(other.blocks[0].moe.router.weight, model.blocks[0].moe.router.weight)
    assert not torch.equal(model.blocks[0].moe.router.weight, model.blocks[1].moe.router.weight)
