"""Capacity against a loop that serves one assignment after the other (moe.md, test 10), and what the layer makes of what is left.

Shapes: T tokens, E experts, k experts per token, L positions of a sequence.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from engine.core.catalog import Catalog
from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.capacity import kept, room
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.routing import RoutingRecord
from engine.labs.moe.remedies.capacity import CapacityChoice
from engine.labs.moe.remedies.router.softmax_top_k import SoftmaxTopKRouter
from engine.labs.probe import Probe, Step
from tests.support.routing import no_text

ORDERS = ("batch", "position", "random", "score")
GROUPS = {"sequence": 6, "microbatch": 12, "batch": 30}  # tokens, of five sequences of six: the last microbatch is smaller


def routed_at_random(T: int, E: int, k: int, seed: int = 0, unused: float = 0.0) -> RoutingRecord:
    seeded = torch.Generator().manual_seed(seed)
    scores_TE = torch.randn(T, E, generator=seeded) + torch.linspace(2, -2, E)
    weights_Tk, experts_Tk = scores_TE.softmax(dim=1).topk(k)
    experts_Tk = experts_Tk.masked_fill(torch.rand(T, k, generator=seeded) < unused, -1)
    return RoutingRecord(experts_Tk, weights_Tk, scores_TE.softmax(dim=1), scores_TE, "softmax")


def served(record: RoutingRecord, first: list[int], group_T: list[int], factor: float, experts: int) -> list[list[bool]]:
    """One assignment after the other: all first choices in the order `first`, then all second ones."""
    experts_Tk = record.experts_Tk.tolist()
    taken: dict[tuple[int, int], int] = {}
    used = [sum(e >= 0 for row, g in zip(experts_Tk, group_T, strict=True) if g == group for e in row) for group in range(max(group_T) + 1)]
    out = [[False] * len(row) for row in experts_Tk]
    for column in range(len(experts_Tk[0])):
        for token in first:
            expert, group = experts_Tk[token][column], group_T[token]
            if expert >= 0 and taken.get((group, expert), 0) < math.ceil(factor * used[group] / experts - 1e-9):
                taken[group, expert] = taken.get((group, expert), 0) + 1
                out[token][column] = True
    return out


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_the_mask_equals_a_loop_that_serves_one_after_the_other(order: str, k: int, group: str) -> None:
    T, E, L = 30, 4, 6
    record, context = routed_at_random(T, E, k, unused=0.2 if k == 2 else 0.0), no_text(T, L, step=3)
    choice = CapacityChoice.answer(order)(factor=0.75, group=group, group_size=2)
    module = choice.build(LayerInfo(5, 1)).train()
    by = {
        "batch": lambda t: t,
        "position": lambda t: (t % L, t),
        "score": lambda t: (-float(record.weights_Tk[t].max()), t),
        "random": lambda t: float(module.priority(record, context)[t]),
    }[order]
    group_T = [t // GROUPS[group] for t in range(T)]
    got_Tk = module(record, context).kept_Tk
    assert got_Tk.tolist() == served(record, sorted(range(T), key=by), group_T, 0.75, E)
    assert got_Tk.sum() < T * k


def test_the_places_are_an_even_share_times_the_factor_rounded_up() -> None:
    assert room(30, 4, 1.0) == 8
    assert room(32, 4, 1.0) == 8, "and not one more for what rounding adds"
    assert room(300, 3, 1.1) == 110
    assert room(0, 4, 2.0) == 0
    record = routed_at_random(64, 4, 1)
    all_in_one = kept(torch.zeros(64, 1, dtype=torch.int64), torch.arange(64), torch.zeros(64, dtype=torch.int64), 4, 1.25)
    assert all_in_one.flatten().tolist() == [True] * 20 + [False] * 44
    assert kept(record.experts_Tk, torch.arange(64), torch.zeros(64, dtype=torch.int64), 4, 4.0).all(), "factor E turns nobody away"
    nobody = torch.full((5, 2), -1)
    assert not kept(nobody, torch.arange(5), torch.zeros(5, dtype=torch.int64), 4, 1.0).any()


def test_evaluation_has_a_factor_of_its_own_and_a_raffle_that_a_resumed_run_repeats() -> None:
    record = routed_at_random(60, 4, 1)
    module = CapacityChoice.answer("random")(factor=0.5, factor_eval=4.0).build(LayerInfo(1, 0))
    assert module.eval()(record, no_text(60, 6)).kept_Tk.all()
    here, again, later = (module.train()(record, no_text(60, 6, step=step)).kept_Tk for step in (7, 7, 8))
    assert torch.equal(here, again)
    assert not torch.equal(here, later)
    other = CapacityChoice.answer("random")(factor=0.5).build(LayerInfo(1, 1)).train()
    assert not torch.equal(other(record, no_text(60, 6, step=7)).kept_Tk, here), "each layer draws for itself"


@pytest.mark.parametrize("k", [1, 2])
def test_the_layer_leaves_out_what_is_turned_away_and_nothing_else(k: int) -> None:
    capacity = CapacityChoice.answer("batch")(factor=0.5).build(LayerInfo(0, 0))
    made = initialise(MoELayer(6, 4, 5, SoftmaxTopKRouter(6, 4, k, 4.0, 0.0, 0.0), capacity), 2).double().train()
    x_TD = torch.randn(24, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    y_TD, _ = made(x_TD, no_text(24, 6))
    record = made.record
    kept_Tk, all_TkD = record.kept_Tk, all_outputs(made, x_TD, record.experts_Tk)
    probs_Tk = (x_TD @ made.router.weight.T).softmax(dim=1).gather(1, record.experts_Tk)
    expected_TD = (all_TkD * (probs_Tk * kept_Tk).unsqueeze(-1)).sum(dim=1)
    torch.testing.assert_close(y_TD, expected_TD, rtol=1e-12, atol=1e-14)
    none_T = ~kept_Tk.any(dim=1)
    assert none_T.any(), "some tokens find every expert full"
    assert y_TD[none_T].eq(0).all()
    assert record.counts_E.sum() == 24 * k, "the load is of what was chosen, dropped or not"
    got, want = (torch.autograd.grad(y.square().sum(), [x_TD, *made.parameters()], retain_graph=True) for y in (y_TD, expected_TD))
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def all_outputs(made: MoELayer, x_TD: Tensor, experts_Tk: Tensor) -> Tensor:
    """What every chosen expert would make of its token -> (T, k, d)."""
    hidden_Tkn = torch.nn.functional.gelu(torch.einsum("tknd,td->tkn", made.weight_in[experts_Tk], x_TD))
    return torch.einsum("tkdn,tkn->tkd", made.weight_out[experts_Tk], hidden_Tkn)


def test_only_the_order_of_scores_lets_a_later_byte_take_an_earlier_one_s_place() -> None:
    """In the order of the batch and of positions, changing the second half of a sequence leaves the first half as it was."""
    T, E = 40, 4
    for order in ("batch", "position", "score"):
        module = CapacityChoice.answer(order)(factor=0.5).build(LayerInfo(0, 0)).train()
        before, after = routed_at_random(T, E, 1, seed=0), routed_at_random(T, E, 1, seed=1)
        mixed = RoutingRecord(
            *(torch.cat([a[:20], b[20:]]) for a, b in zip(_parts(before), _parts(after), strict=True)), before.logits_TE, "softmax"
        )
        same = torch.equal(module(before, no_text(T)).kept_Tk[:20], module(mixed, no_text(T)).kept_Tk[:20])
        assert same == (order != "score"), order


def _parts(record: RoutingRecord) -> tuple[Tensor, Tensor, Tensor]:
    return record.experts_Tk, record.weights_Tk, record.probs_TE


def test_the_probe_of_drops_equals_a_loop_over_positions_and_is_silent_without_drops() -> None:
    probe = Catalog("probes", Probe)["router_drops"](None, nn.Module())  # type: ignore[arg-type]
    record = routed_at_random(48, 4, 2, unused=0.1)
    module = CapacityChoice.answer("position")(factor=0.6).build(LayerInfo(0, 0)).train()
    limited = module(record, no_text(48, 12)).kept(torch.bincount(record.experts_Tk.flatten() + 1)[1:], 12)
    got = {r.metric: torch.as_tensor(r.value).tolist() for r in probe.after(_step(limited))}
    kept_Tk, used_Tk = limited.kept_Tk.tolist(), (limited.experts_Tk >= 0).tolist()
    dropped = [not any(row) for row in kept_Tk]
    position = [sum(dropped[b * 12 + at] for b in range(4)) / 4 for at in range(12)]
    assert got["router/dropped"] == pytest.approx(sum(dropped) / 48)
    away = sum(u and not k for us, ks in zip(used_Tk, kept_Tk, strict=True) for u, k in zip(us, ks, strict=True))
    assert got["router/dropped_assignments"] == pytest.approx(away / sum(map(sum, used_Tk)))
    eighths = [position[0:2], position[2:4], position[4:6], position[6:8], *([p] for p in position[8:])]
    assert got["router/dropped_by_position"] == pytest.approx([sum(part) / len(part) for part in eighths])
    assert got["router/drop_to_end"] == pytest.approx(sum(position[9:]) / 3 - sum(position[:3]) / 3)
    assert got["router/drop_to_end"] > 0.3, "in the order of positions the end comes too late"
    assert got["router/experts_per_token"] == pytest.approx(sum(map(sum, kept_Tk)) / 48)
    assert list(probe.after(_step(record.kept(torch.ones(4, dtype=torch.int64), 12)))) == []


def _step(record: RoutingRecord) -> Step:
    layer = nn.Module()
    layer.record = record
    return Step(0, 1, SimpleNamespace(), nn.ModuleDict({"a": layer}), {}, {}, None, 0.1)  # type: ignore[arg-type]
