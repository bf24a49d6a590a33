"""DynMoLE: how many experts a token gets (moe.md, test 11), its entropy, its two losses and its mixture, against loops in float64.

Shapes: T tokens, D width, E experts, K columns.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import entropy
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.routing import RoutingRecord, routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.capacity import CapacityChoice
from engine.labs.moe.remedies.router.dynmole import EPS, DynMoLE, DynMoLERouter, tsallis_entropy
from tests.support.routing import no_text


def router(D: int = 6, E: int = 7, seed: int = 3, factor: float = 6.0, **knobs: float) -> DynMoLERouter:
    return initialise(DynMoLE(**knobs).build(D, E, factor, LayerInfo()), seed).double()


def tokens(T: int, D: int = 6, seed: int = 1) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def probabilities(weight: list[list[float]], x_D: list[float]) -> list[float]:
    scores = [sum(w * x for w, x in zip(row, x_D, strict=True)) for row in weight]
    total = sum(math.exp(s) for s in scores)
    return [math.exp(s) / total for s in scores]


def plain_entropy(p: list[float], q: float) -> float:
    total = 1.0 + len(p) * EPS
    r = [(one + EPS) / total for one in p]
    if q == 1.0:
        return -sum(one * math.log(one) for one in r) / math.log(len(p))
    return (1.0 - sum(one**q for one in r)) / (1.0 - len(p) ** (1.0 - q))


def experts_of(p: list[float], top_p: float, keep: int, threshold: float, q: float) -> list[int]:
    """Taken one after the other from the most probable on."""
    order = sorted(range(len(p)), key=lambda e: -p[e])
    if threshold < 1.0 and plain_entropy(p, q) > threshold:
        return order
    out, total = [], 0.0
    for e in order:
        total += p[e]
        if total > top_p and len(out) >= keep:
            break
        out.append(e)
    return out


def rows(made: DynMoLERouter, x_TD: Tensor) -> list[list[float]]:
    return [probabilities(made.weight.tolist(), x) for x in x_TD.tolist()]


def test_uniform_probabilities_go_to_all_experts_and_a_sure_token_to_the_fewest() -> None:
    made = router(E=32, keep_top_k=3)
    unsure = made(torch.zeros(4, 6, dtype=torch.float64), no_text(4))
    assert unsure.experts_Tk.tolist() == [[*range(32)]] * 4, "of equals the lowest first"
    assert unsure.kept_Tk.all()
    torch.testing.assert_close(unsure.weights_Tk, torch.full((4, 32), 1 / 32, dtype=torch.float64))
    sure = made(1e4 * tokens(4), no_text(4))
    assert sure.experts_Tk.shape == (4, 3)
    assert sure.probs_TE.amax(dim=1).eq(1).all()
    torch.testing.assert_close(sure.weights_Tk.sum(dim=1), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("top_p", "keep", "threshold", "q"),
    [(0.75, 2, 0.9, 1.1), (0.75, 2, 0.5, 1.1), (0.95, 1, 1.0, 1.1), (0.3, 3, 0.7, 2.0), (0.0, 1, 0.8, 1.0), (1.0, 7, 0.8, 0.5)],
)
def test_the_experts_of_each_token_equal_a_loop(top_p: float, keep: int, threshold: float, q: float, training: bool) -> None:
    made = router(top_p=top_p, keep_top_k=keep, threshold=threshold, q=q).train(training)
    x_TD = tokens(60) * torch.linspace(0.1, 2.0, 60, dtype=torch.float64).unsqueeze(1)
    got = made(x_TD, no_text(60))
    expected = [experts_of(p, top_p, keep, threshold, q) for p in rows(made, x_TD)]
    K = max(len(chosen) for chosen in expected)
    assert got.experts_Tk.tolist() == [chosen + [-1] * (K - len(chosen)) for chosen in expected]
    assert torch.equal(got.kept_Tk, got.experts_Tk >= 0)
    for t, p in enumerate(rows(made, x_TD)):
        weights = [p[e] for e in expected[t]]
        assert got.weights_Tk[t].tolist() == pytest.approx(weights + [0.0] * (K - len(weights)), rel=1e-11)
    if threshold == 0.9:
        assert {len(chosen) for chosen in expected} >= {2, 3, 7}


def test_the_expert_that_crosses_is_left_out() -> None:
    made = DynMoLERouter(3, 3, 1.0, 0.75, 1, 1.0, 1.1, 0.0, 0.0).double()
    with torch.no_grad():
        made.weight.copy_(torch.diag(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()))
    got = made(torch.ones(1, 3, dtype=torch.float64), no_text(1))
    assert got.experts_Tk.tolist() == [[0]], "0.5 + 0.3 is above 0.75"
    assert got.weights_Tk.item() == pytest.approx(0.5)
    assert got.losses == {}


@pytest.mark.parametrize("E", [2, 7, 32])
def test_the_entropy_is_scipys_at_one_and_nears_it_around_one(E: int) -> None:
    probs_TE = (2.0 * tokens(20, E)).softmax(dim=1)
    raised_TE = (probs_TE + EPS).numpy()  # scipy divides by the sum
    shannon_T = torch.from_numpy(entropy(raised_TE, axis=1, base=E))
    torch.testing.assert_close(tsallis_entropy(probs_TE, 1.0), shannon_T, rtol=1e-12, atol=1e-14)
    for near in (1e-9, -1e-9):
        torch.testing.assert_close(tsallis_entropy(probs_TE, 1.0 + near), shannon_T, rtol=1e-7, atol=1e-8)
    single_T = tsallis_entropy(probs_TE.float(), 1.0 + 1e-6)
    torch.testing.assert_close(single_T.double(), shannon_T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("q", [0.5, 1.1, 2.0])
def test_the_entropy_of_another_index_is_its_formula_between_none_and_one(q: float) -> None:
    probs_TE = (2.0 * tokens(20, 7)).softmax(dim=1)
    got = tsallis_entropy(probs_TE, q).tolist()
    assert got == pytest.approx([plain_entropy(p, q) for p in probs_TE.tolist()], rel=1e-11)
    even = torch.full((1, 7), 1 / 7, dtype=torch.float64)
    assert tsallis_entropy(even, q).item() == pytest.approx(1.0, abs=1e-14)
    one = torch.eye(7, dtype=torch.float64)[:1]
    assert 0.0 <= tsallis_entropy(one, q).item() < 0.03
    if q == 1.1:
        released = [(1.0 - sum((one + EPS) ** q for one in p)) / (1.0 - 7 ** (1.0 - q)) for p in probs_TE.tolist()]
        assert got == pytest.approx(released, abs=1e-3), "the authors' code does not divide by the sum"


@pytest.mark.parametrize("q", [1.0, 1.1, 2.0])
def test_both_losses_and_their_gradients_equal_loops(q: float) -> None:
    """The gradient of the entropy, and that of the balance, in which the mask is a constant and both factors carry one."""
    T, E, D = 12, 7, 6
    made, x_TD = router(q=q, entropy_weight=0.3, balance_weight=0.2, threshold=0.8), tokens(T)
    losses = made(x_TD, no_text(T)).losses
    p = rows(made, x_TD)
    mask = [[e in experts_of(row, 0.75, 2, 0.8, q) for e in range(E)] for row in p]
    assert losses["entropy"].item() == pytest.approx(0.3 * sum(plain_entropy(row, q) for row in p) / T, rel=1e-11)
    busy = [sum(m[e] * row[e] for m, row in zip(mask, p, strict=True)) / T for e in range(E)]
    mean = [sum(row[e] for row in p) / T for e in range(E)]
    assert losses["balance"].item() == pytest.approx(0.2 * E * sum(b * m for b, m in zip(busy, mean, strict=True)), rel=1e-11)

    def through_softmax(of_p: list[list[float]]) -> list[list[float]]:
        """d loss / d weight from d loss / d p."""
        out = [[0.0] * D for _ in range(E)]
        for t in range(T):
            along = sum(g * one for g, one in zip(of_p[t], p[t], strict=True))
            for e in range(E):
                of_score = p[t][e] * (of_p[t][e] - along)
                for d in range(D):
                    out[e][d] += of_score * x_TD[t, d].item()
        return out

    def of_entropy(one: float) -> float:
        r = (one + EPS) / (1.0 + E * EPS)
        slope = -(math.log(r) + 1.0) / math.log(E) if q == 1.0 else -q * r ** (q - 1.0) / (1.0 - E ** (1.0 - q))
        return 0.3 / T * slope / (1.0 + E * EPS)

    wanted = {
        "entropy": through_softmax([[of_entropy(one) for one in row] for row in p]),
        "balance": through_softmax([[0.2 * E / T * (m[e] * mean[e] + busy[e]) for e in range(E)] for m in mask]),
    }
    for name, loss in losses.items():
        (got,) = torch.autograd.grad(loss, made.weight, retain_graph=True)
        torch.testing.assert_close(got, torch.tensor(wanted[name], dtype=torch.float64), rtol=1e-9, atol=1e-12)


def test_the_weights_carry_the_gradient_of_the_probabilities() -> None:
    made, x_TD = router(), tokens(5).requires_grad_()

    def weights(weight_ED: Tensor, x: Tensor) -> Tensor:
        return torch.func.functional_call(made, {"weight": weight_ED}, (x, no_text(5))).weights_Tk

    assert torch.autograd.gradcheck(weights, (made.weight.detach().clone().requires_grad_(), x_TD))


@pytest.mark.parametrize("order", ["none", "batch"])
def test_a_layer_equals_a_loop_also_where_a_capacity_turns_away(order: str) -> None:
    T, E = 24, 7
    capacity = CapacityChoice.answer(order)(**({} if order == "none" else {"factor": 0.7})).build(LayerInfo())
    made = initialise(MoELayer(6, E, 4, router(), capacity), 2).double().train()
    with torch.no_grad():
        made.router.weight.mul_(6.0)
    x_TD = tokens(T).requires_grad_()
    got_TD, _ = made(x_TD, no_text(T))
    record = made.record
    counts = [sum(e in row for row in record.experts_Tk.tolist()) for e in range(E)]
    assert record.counts_E.tolist() == counts
    assert record.kept_Tk.sum() == sum(counts) if order == "none" else record.kept_Tk.sum() < sum(counts)
    expected = []
    for t in range(T):
        p_E, y_D = (made.router.weight @ x_TD[t]).softmax(dim=0), torch.zeros(6, dtype=torch.float64)
        for e, kept in zip(record.experts_Tk[t].tolist(), record.kept_Tk[t].tolist(), strict=True):
            if kept:
                y_D = y_D + p_E[e] * (made.weight_out[e] @ torch.nn.functional.gelu(made.weight_in[e] @ x_TD[t]))
        expected.append(y_D)
    expected_TD = torch.stack(expected)
    torch.testing.assert_close(got_TD, expected_TD, rtol=1e-11, atol=1e-13)
    leaves = [x_TD, *made.parameters()]
    got, want = (torch.autograd.grad(y.square().sum(), leaves, retain_graph=True) for y in (got_TD, expected_TD))
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_mixing_all_at_once_gives_what_the_layer_makes_of_the_chosen_ones() -> None:
    made = initialise(MoELayer(6, 7, 4, router()), 2).double()
    x_TD, context = tokens(30), no_text(30)
    routing = made.router(x_TD, context)
    y_TKD = made.outputs(x_TD, replace(routing, counts_E=made.chosen(routing.experts_Tk)))
    torch.testing.assert_close(made(x_TD, context)[0], (y_TKD * routing.weights_Tk.unsqueeze(-1)).sum(dim=1), rtol=1e-11, atol=1e-13)


def test_an_expert_that_no_token_uses_gets_no_gradient() -> None:
    made = initialise(MoELayer(6, 7, 4, router(threshold=1.0, keep_top_k=1)), 2).double()
    with torch.no_grad():
        made.router.weight.mul_(50.0)
    x_TD = tokens(3)
    made(x_TD, no_text(3))[0].square().sum().backward()
    unused = made.record.counts_E.eq(0)
    assert unused.any()
    assert made.weight_in.grad[unused].eq(0).all()
    assert made.weight_out.grad[unused].eq(0).all()
    assert made.weight_out.grad[~unused].abs().sum() > 0


def test_no_token_depends_on_another_even_where_they_need_more_columns() -> None:
    made = initialise(MoELayer(6, 7, 4, router()), 2).double()
    x_TD = 3.0 * tokens(20)
    other_TD = torch.cat([x_TD[:10], torch.zeros(10, 6, dtype=torch.float64)])
    records: list[RoutingRecord] = []
    results = []
    for x in (x_TD, other_TD):
        results.append(made(x, no_text(20))[0][:10])
        records.append(made.record)
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-14)
    few, many = (record.experts_Tk[:10] for record in records)
    assert few.shape[1] < many.shape[1] == 7
    assert torch.equal(few, many[:, : few.shape[1]])
    assert many[:, few.shape[1] :].eq(-1).all()


def test_more_experts_at_least_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match=r"k=9 experts per token"):
        router(E=8, keep_top_k=9)


def test_the_lab_trains_and_evaluates_with_it() -> None:
    lab = Moe.model_validate({"router": "dynmole", "batch_size": 2, "context": 16})
    model = lab.model()
    losses = lab.loss(model, lab.batch(0), 0)
    assert losses.keys() == {"train", "entropy", "balance"}
    sum(losses.values()).backward()
    for layer in routed(model).values():
        assert layer.router.weight.grad.abs().sum() > 0
        assert layer.record.experts_Tk.shape == (32, 32), "an untrained router is unsure of nearly all tokens"
    with torch.no_grad():
        assert lab.loss(model.eval(), lab.batch(1), 0)["train"].isfinite()
