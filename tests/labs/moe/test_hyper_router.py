"""HyperRouter: what its fixed network makes of the vector, how large logits start, and that only the vector trains (moe.md, test 13).

Shapes: T tokens, D width, E experts, H hidden units of the hypernetwork, k experts per token.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.routing import routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router.hyper_router import HyperRouter, HyperRouterModule
from tests.support.routing import no_text


def router(D: int = 5, E: int = 6, H: int = 7, seed: int = 3, freeze: bool = True, factor: float = 1.0) -> HyperRouterModule:
    choice = HyperRouter(k_min=2, k_max=4, hidden=H, freeze_hypernet=freeze)
    made = initialise(choice.build(D, E, factor, LayerInfo(0, 0, 10)), seed).double()
    with torch.no_grad():
        for bias in (made.inner.bias, made.outer.bias):
            bias.normal_(std=0.1, generator=torch.Generator().manual_seed(seed))
    return made


def tokens(T: int, D: int = 5, seed: int = 1) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def loop_scores(made: HyperRouterModule, x_D: list[float]) -> list[float]:
    """The whole way in plain numbers: e -> relu(U e + c) -> V h + a, whose row of an expert is D weights and a bias."""
    e = made.embedding.tolist()[0]
    h = [
        max(0.0, sum(u * v for u, v in zip(row, e, strict=True)) + c)
        for row, c in zip(made.inner.weight.tolist(), made.inner.bias.tolist(), strict=True)
    ]
    flat = [
        sum(u * v for u, v in zip(row, h, strict=True)) + c
        for row, c in zip(made.outer.weight.tolist(), made.outer.bias.tolist(), strict=True)
    ]
    size = len(x_D) + 1
    rows = [flat[start : start + size] for start in range(0, len(flat), size)]
    return [sum(w * x for w, x in zip(row[:-1], x_D, strict=True)) + row[-1] for row in rows]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("step", "k"), [(0, 2), (5, 3), (9, 4), (10, 4)])
def test_scores_choice_and_weights_equal_a_loop(step: int, k: int, training: bool) -> None:
    made, x_TD = router().train(training), tokens(9)
    got = made(x_TD, no_text(9, step=step))
    assert got.experts_Tk.shape == (9, k)
    for t in range(9):
        scores = loop_scores(made, x_TD[t].tolist())
        assert got.logits_TE[t].tolist() == pytest.approx(scores, rel=1e-11, abs=1e-13)
        chosen = sorted(range(6), key=lambda e: -scores[e])[:k]
        assert got.experts_Tk[t].tolist() == chosen
        total = sum(math.exp(scores[e]) for e in chosen)
        assert got.weights_Tk[t].tolist() == pytest.approx([math.exp(scores[e]) / total for e in chosen], rel=1e-11)
    assert got.losses == {}
    assert made.k == 4


def test_only_the_vector_gets_a_gradient_when_the_hypernetwork_is_frozen() -> None:
    made, x_TD = router(), tokens(9).requires_grad_()
    made(x_TD, no_text(9)).weights_Tk.square().sum().backward()
    assert {name for name, p in made.named_parameters() if p.grad is not None} == {"embedding"}
    assert {name for name, p in made.named_parameters() if p.requires_grad} == {"embedding"}
    assert made.embedding.grad.abs().sum() > 0
    assert x_TD.grad.abs().sum() > 0


def test_unfrozen_all_of_it_gets_one() -> None:
    made = router(freeze=False)
    made(tokens(9), no_text(9)).weights_Tk.square().sum().backward()
    assert {name for name, p in made.named_parameters() if p.grad.abs().sum() > 0} == {name for name, _ in made.named_parameters()}


def test_the_gradient_of_vector_and_tokens_is_that_of_the_weights() -> None:
    made, x_TD = router(), tokens(4).requires_grad_()

    def weights(e: Tensor, x: Tensor) -> Tensor:
        return torch.func.functional_call(made, {"embedding": e}, (x, no_text(4, step=5))).weights_Tk

    assert torch.autograd.gradcheck(weights, (made.embedding.detach().clone().requires_grad_(), x_TD))


def test_with_one_expert_per_token_the_vector_gets_no_gradient() -> None:
    made = HyperRouter(k_min=1, k_max=1).build(5, 6, 1.0, LayerInfo(0, 0, 10))
    initialise(made, 0)
    got = made(tokens(9).float(), no_text(9))
    assert got.weights_Tk.eq(1).all()
    got.weights_Tk.square().sum().backward()
    assert made.embedding.grad.eq(0).all()


@pytest.mark.parametrize("factor", [1.0, 4.0])
@pytest.mark.parametrize(("D", "E", "H"), [(64, 32, 64), (64, 32, 512), (31, 8, 64)])
def test_logits_start_as_large_as_those_of_a_linear_router(D: int, E: int, H: int, factor: float) -> None:
    """Over the draws of seeds the mean square is 1/3; one draw is off by what e and H hidden units leave to chance."""
    x_TD = torch.randn(256, D, generator=torch.Generator().manual_seed(0))
    squares = []
    for seed in range(40):
        made = initialise(HyperRouter(hidden=H).build(D, E, factor, LayerInfo(0, 0, 10)), seed)
        squares.append(made.logits(x_TD).detach().square().mean().item() / factor**2)
    mean, spread = torch.tensor(squares).mean().item(), torch.tensor(squares).std().item()
    assert mean == pytest.approx(1 / 3, abs=4 * spread / 40**0.5)
    assert math.sqrt(mean) == pytest.approx(0.577, abs=0.06)
    assert all(0.25 < math.sqrt(s) < 1.1 for s in squares)


def test_no_token_depends_on_another() -> None:
    made, x_TD = router(), tokens(20)
    other_TD = torch.cat([x_TD[:10], 3.0 * x_TD[10:].flip(1)])
    one, two = (made(x, no_text(20, step=5)) for x in (x_TD, other_TD))
    assert torch.equal(one.experts_Tk[:10], two.experts_Tk[:10])
    assert torch.equal(one.weights_Tk[:10], two.weights_Tk[:10])


def test_half_precision_around_it_does_not_change_the_logits() -> None:
    made, x_TD = router().float(), tokens(9).float()
    plain = made.logits(x_TD)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(made.logits(x_TD), plain)


@pytest.mark.parametrize("freeze", [True, False])
def test_training_moves_the_vector_and_the_hypernetwork_only_where_it_may(freeze: bool) -> None:
    nested = {"is": "hyper_router", "freeze_hypernet": freeze, "hidden": 8}
    lab = Moe.model_validate({"router": nested, "batch_size": 2, "context": 16, "steps": 4, "experts": 8})
    model = lab.model()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = lab.optimizer.build(model.named_parameters(), 0.01)
    columns = []
    for step in range(4):
        sum(lab.loss(model, lab.batch(step), step).values()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        columns.append(routed(model)["blocks.1.moe"].record.experts_Tk.shape[1])
    assert columns == [2, 2, 3, 4]
    for name, p in model.named_parameters():
        assert torch.equal(p, start[name]) == (freeze and (".inner." in name or ".outer." in name)), name
