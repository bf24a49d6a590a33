"""The rectify router against loops that serve one token after the other: who is sent home, who fills what is left, and with what weight.

Shapes: T tokens, L positions of a sequence, E experts, k experts per token, G groups of experts.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.rectify import RectifiedCapacity
from engine.labs.moe.models.routing import RoutingRecord, routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.capacity import CapacityChoice
from engine.labs.moe.remedies.router.softmax_top_k import SoftmaxTopKRouter
from tests.support.routing import no_text

WAYS = ("rectify_local", "rectify_fill", "rectify_both")
GROUPED = {"sequence": 6, "microbatch": 12, "batch": 30}  # tokens, of five sequences of six: the last microbatch is smaller
T, E, L, G = 30, 5, 6, 2


def record(k: int, seed: int = 0, unused: float = 0.0, skew: float = 2.0) -> RoutingRecord:
    """Scores that favour the first experts, with gradient, in float64."""
    seeded = torch.Generator().manual_seed(seed)
    scores_TE = torch.randn(T, E, generator=seeded, dtype=torch.float64) + torch.linspace(skew, -skew, E, dtype=torch.float64)
    probs_TE = scores_TE.softmax(dim=1).requires_grad_()
    experts_Tk = probs_TE.detach().topk(k).indices
    weights_Tk = probs_TE.gather(1, experts_Tk)
    experts_Tk = experts_Tk.masked_fill(torch.rand(T, k, generator=seeded) < unused, -1)
    return RoutingRecord(experts_Tk, weights_Tk, probs_TE, scores_TE, "softmax")


def capacity(way: str, factor: float, group: str = "batch", factor_eval: float = 2.0) -> RectifiedCapacity:
    knobs = {} if way == "rectify_fill" else {"groups": G}
    return CapacityChoice.answer(way)(factor=factor, factor_eval=factor_eval, group=group, group_size=2, **knobs).build(LayerInfo()).train()


def in_a_loop(given: RoutingRecord, way: str, factor: float, size: int) -> list[list[tuple[int, bool]]]:
    """For each token the (expert, served) of its columns."""
    experts, probs = given.experts_Tk.tolist(), given.probs_TE.tolist()
    k = len(experts[0])
    out = [[(-1, False)] * k for _ in range(T)]
    for first in range(0, T, size):
        members = range(first, min(first + size, T))
        limit = math.ceil(factor * sum(e >= 0 for t in members for e in experts[t]) / E - 1e-9)
        load = [0] * E
        for column in range(k):
            for t in members:
                e = experts[t][column]
                served = e >= 0 and load[e] < limit
                out[t][column] = (e, served)
                load[e] += served
        if way != "rectify_fill":
            for t in members:
                home = [e for e in range(E) if e * G // E == t // L % G]
                lost = not any(served for _, served in out[t])
                best = max(home, key=lambda e: (probs[t][e], -e))
                out[t].append((best if lost else -1, lost))
                load[best] += lost
        if way != "rectify_local":
            asks = []
            for t in members:
                free = [e for e in range(E) if e not in [named for named, _ in out[t]]]
                out[t].append((-1, False))
                if free:
                    best = max(free, key=lambda e: (probs[t][e], -e))
                    asks.append((-probs[t][best], t, best))
            for _, t, e in sorted(asks):
                if load[e] < limit:
                    load[e] += 1
                    out[t][-1] = (e, True)
    return out


@pytest.mark.parametrize("group", GROUPED)
@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("way", WAYS)
def test_experts_and_mask_equal_a_loop_that_serves_one_after_the_other(way: str, k: int, group: str) -> None:
    used = False
    for seed, factor in [(0, 0.5), (1, 1.0), (2, 1.25)]:
        given = record(k, seed, unused=0.2 if k > 1 else 0.0)
        got = capacity(way, factor, group)(given, no_text(T, L))
        expected = in_a_loop(given, way, factor, GROUPED[group])
        assert got.experts_Tk.tolist() == [[e for e, _ in row] for row in expected]
        assert got.kept_Tk.tolist() == [[served for _, served in row] for row in expected]
        assert torch.equal(got.weights_Tk[:, :k], given.weights_Tk), "what was chosen before keeps its weight"
        assert got.experts_Tk.shape == (T, k + (2 if way == "rectify_both" else 1))
        used = used or bool(got.kept_Tk[:, k:].any())
    assert used


def dropped(one: RoutingRecord) -> float:
    return (~one.kept_Tk.any(dim=1)).double().mean().item()


@pytest.mark.parametrize("k", [1, 2])
def test_sent_home_nobody_is_dropped_and_filling_drops_fewer(k: int) -> None:
    given, context = record(k), no_text(T, L)
    plain = CapacityChoice.answer("batch")(factor=0.75).build(LayerInfo()).train()
    before, home, filled, both = (dropped(one(given, context)) for one in (plain, *(capacity(way, 0.75) for way in WAYS)))
    assert before > 0.1
    assert home == both == 0.0
    assert filled < before


@pytest.mark.parametrize("way", WAYS)
def test_only_filling_may_pass_no_limit(way: str) -> None:
    got = capacity(way, 0.75)(record(1), no_text(T, L))
    load_E = torch.bincount(got.experts_Tk[got.kept_Tk], minlength=E)
    limit = math.ceil(0.75 * T / E)
    assert (load_E.max().item() > limit) == (way != "rectify_fill")


@pytest.mark.parametrize("k", [1, 2])
def test_who_is_sent_home_counts_with_weight_one_and_the_gradient_of_its_score(k: int) -> None:
    given = record(k)
    got = capacity("rectify_local", 0.5)(given, no_text(T, L))
    lost_T = got.kept_Tk[:, k]
    torch.testing.assert_close(got.weights_Tk[:, k], lost_T.double(), rtol=1e-15, atol=0)
    (gradient_TE,) = torch.autograd.grad(got.weights_Tk[:, k].sum(), given.probs_TE)
    for t in range(T):
        expected = [0.0] * E
        if lost_T[t]:
            e = int(got.experts_Tk[t, k])
            expected[e] = 1.0 if k == 1 else 1.0 / given.probs_TE[t, e].item()
        assert gradient_TE[t].tolist() == pytest.approx(expected)


def test_who_fills_a_place_counts_with_its_score() -> None:
    given = record(2)
    got = capacity("rectify_fill", 1.0)(given, no_text(T, L))
    filled_T, experts_T = got.kept_Tk[:, 2], got.experts_Tk[:, 2].clamp(min=0)
    expected_T = given.probs_TE.gather(1, experts_T.unsqueeze(1)).squeeze(1) * filled_T
    torch.testing.assert_close(got.weights_Tk[:, 2], expected_T, rtol=0, atol=0)
    one, other = (torch.autograd.grad(w.sum(), given.probs_TE, retain_graph=True)[0] for w in (got.weights_Tk[:, 2], expected_T))
    assert torch.equal(one, other)
    assert filled_T.any()
    assert not filled_T.all()


def test_where_nobody_is_turned_away_nobody_is_sent_home() -> None:
    given = record(2)
    got = capacity("rectify_local", float(E))(given, no_text(T, L))
    assert torch.equal(got.experts_Tk[:, :2], given.experts_Tk)
    assert got.kept_Tk.tolist() == [[True, True, False]] * T
    assert got.experts_Tk[:, 2].eq(-1).all()
    assert got.weights_Tk[:, 2].eq(0).all()


def test_with_every_expert_chosen_there_is_none_to_fill() -> None:
    given = record(E)
    got = capacity("rectify_fill", 2.0)(given, no_text(T, L))
    assert got.kept_Tk.tolist() == [[True] * E + [False]] * T
    assert got.experts_Tk[:, E].eq(-1).all()


def test_evaluation_has_a_factor_of_its_own() -> None:
    module = capacity("rectify_local", 0.25, factor_eval=float(E))
    assert module(record(1), no_text(T, L)).kept_Tk[:, 1].any()
    assert not module.eval()(record(1), no_text(T, L)).kept_Tk[:, 1].any()


@pytest.mark.parametrize("way", WAYS)
def test_only_filling_lets_a_later_byte_decide_what_an_earlier_one_gets(way: str) -> None:
    half, moved = T // 2, False
    for seed in range(1, 6):
        before = record(1, skew=0.0)
        mixed_TE = torch.cat([before.probs_TE[:half], record(1, seed, skew=0.0).probs_TE[half:]]).detach()
        experts_Tk = mixed_TE.topk(1).indices
        after = replace(before, experts_Tk=experts_Tk, probs_TE=mixed_TE, weights_Tk=mixed_TE.gather(1, experts_Tk))
        one, two = (capacity(way, 1.0)(given, no_text(T)) for given in (before, after))
        moved = moved or not torch.equal(one.experts_Tk[:half], two.experts_Tk[:half])
    assert moved == (way != "rectify_local")


def test_more_groups_than_experts_are_refused_in_one_sentence() -> None:
    module = CapacityChoice.answer("rectify_local")(groups=6).build(LayerInfo())
    with pytest.raises(ValueError, match="6 groups of experts were asked for, but the layer has 5 experts; give 1 to 5"):
        module(record(1), no_text(T, L))


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_the_layer_adds_what_the_further_columns_name(way: str, k: int) -> None:
    made = initialise(MoELayer(6, E, 4, SoftmaxTopKRouter(6, E, k, 4.0, 0.0, 0.0), capacity(way, 0.5)), 2).double().train()
    x_TD = torch.randn(T, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    y_TD, _ = made(x_TD, no_text(T, L))
    seen = made.record
    probs_TE = (x_TD @ made.router.weight.T).softmax(dim=1)
    expected_TD = torch.stack([token(made, x_TD[t], probs_TE[t], seen, t, k, way) for t in range(T)])
    torch.testing.assert_close(y_TD, expected_TD, rtol=1e-12, atol=1e-14)
    assert seen.counts_E.sum() == T * k, "the load is of what the tokens chose"
    got, want = (torch.autograd.grad(y.square().sum(), [x_TD, *made.parameters()], retain_graph=True) for y in (y_TD, expected_TD))
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def token(made: MoELayer, x_D: Tensor, probs_E: Tensor, seen: RoutingRecord, t: int, k: int, way: str) -> Tensor:
    """What one token gets, column by column."""
    y_D = torch.zeros_like(x_D)
    for column, (e, served) in enumerate(zip(seen.experts_Tk[t].tolist(), seen.kept_Tk[t].tolist(), strict=True)):
        if not served:
            continue
        p = probs_E[e]
        at_home = column == k and way != "rectify_fill"
        weight = (1 + p - p.detach() if k == 1 else p / p.detach()) if at_home else p
        y_D = y_D + weight * (made.weight_out[e] @ torch.nn.functional.gelu(made.weight_in[e] @ x_D))
    return y_D


@pytest.mark.parametrize("router", ["hash", "loss_free", "sinkhorn", "softmax_top_k"])
@pytest.mark.parametrize("way", WAYS)
def test_the_lab_trains_with_each_router(way: str, router: str) -> None:
    lab = Moe.model_validate({"router": router, "capacity": {"is": way, "factor": 0.5}, "batch_size": 4, "layers": 1})
    model = lab.model()
    loss = sum(lab.loss(model, lab.batch(0), 0).values())
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    seen = next(iter(routed(model).values())).record
    assert seen.kept_Tk[:, 1:].any() or router == "hash", "its next choices are the experts with the lowest numbers, and these are full"
