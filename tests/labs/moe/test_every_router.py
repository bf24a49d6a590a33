"""What every router and every capacity keeps to: it trains, a resumed training has the same bits, and it leaks where it says so.

A router that is added is held to all of this without a line here.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.labs.moe.models.routing import routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.capacity import CapacityChoice
from engine.labs.moe.remedies.router import RouterChoice
from tests.support.small_labs import SMALL

ROUTERS, CAPACITIES = RouterChoice.answers(), CapacityChoice.answers()
STEPS = 8
LEAKS = {"expert_choice": ("training", "evaluation"), "sinkhorn": ("training",), "base": ("training",)}  # as published


def lab_with(router: str, capacity: str = "none", **over: Any) -> Moe:
    made = RouterChoice.answer(router)
    kept = {"stage_1": 4} if "stage_1" in made.model_fields else {}
    return Moe(router=made(**kept), capacity=CapacityChoice.answer(capacity)(), steps=STEPS, lr=1e-2, warmup=0, **(SMALL["moe"] | over))


class Training:
    """Steps as the loop makes them, without anything around."""

    def __init__(self, lab: Moe) -> None:
        self.lab, self.model = lab, lab.model().train()
        self.optimizer = lab.optimizer.build(self.model.named_parameters(), lab.lr)

    def go(self, first: int, last: int) -> list[float]:
        out = []
        for n in range(first, last):
            self.optimizer.zero_grad(set_to_none=True)
            losses = self.lab.loss(self.model, self.lab.batch(n), n)
            sum(losses.values()).backward()
            self.optimizer.step()
            self.lab.after_step(self.model, n)
            out.append(float(losses["train"].detach()))
        return out


@pytest.mark.parametrize("router", ROUTERS)
def test_a_training_that_is_resumed_in_the_middle_has_the_bits_of_one_that_was_not(router: str) -> None:
    whole = Training(lab_with(router))
    curve = whole.go(0, STEPS)
    first = Training(lab_with(router))
    assert first.go(0, 3) == curve[:3]
    second = Training(lab_with(router))
    second.model.load_state_dict(first.model.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    assert second.go(3, STEPS) == curve[3:]
    assert all(torch.isfinite(p).all() for p in whole.model.parameters())
    for (name, one), other in zip(whole.model.state_dict().items(), second.model.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize(("router", "capacity"), [*product(["softmax_top_k"], CAPACITIES), *product(ROUTERS, ["score"])])
def test_the_record_is_whole_with_every_router_and_every_capacity(router: str, capacity: str) -> None:
    training = Training(lab_with(router, capacity))
    training.go(0, 2)
    for name, layer in routed(training.model).items():
        record = layer.record
        T, E = record.probs_TE.shape
        assert record.length == SMALL["moe"]["context"], name
        assert len(record.experts_Tk) == T == SMALL["moe"]["batch_size"] * SMALL["moe"]["context"]
        assert record.weights_Tk.shape == record.experts_Tk.shape
        assert int(record.experts_Tk.max()) < E == len(record.counts_E)
        assert record.counts_E.sum() > 0
        unused_Tk = record.experts_Tk < 0
        assert not (unused_Tk.any() and record.kept_Tk is None)
        if record.kept_Tk is not None:
            assert record.kept_Tk.dtype == torch.bool
            assert not (record.kept_Tk & unused_Tk).any()
        held = (record.experts_Tk, record.weights_Tk, record.probs_TE, record.logits_TE, record.soft_TE, record.kept_Tk)
        assert not any(value.requires_grad for value in held if value is not None)
        served_Tk = ~unused_Tk if record.kept_Tk is None else record.kept_Tk
        per_row = [row[served] for row, served in zip(record.experts_Tk, served_Tk, strict=True)]
        assert all(len(row.unique()) == len(row) for row in per_row), "no token is served by an expert twice"


@pytest.mark.parametrize("mode", ["training", "evaluation"])
@pytest.mark.parametrize("router", ROUTERS)
def test_a_token_depends_on_later_ones_and_on_other_sequences_where_the_router_says_so_and_nowhere_else(router: str, mode: str) -> None:
    choice = RouterChoice.answer(router)
    assert set(choice.leaks) <= {"training", "evaluation"}
    if router in LEAKS:
        assert choice.leaks == LEAKS[router]
    lab = lab_with(router, router_init=3.0)
    model = lab.model().train(mode == "training")
    moved = max(leak(lab, model, seed) for seed in range(3))
    if mode in choice.leaks:
        assert moved > 1e-3
    else:
        assert moved < 1e-5, "rounding alone: experts see other rows beside a token's own"


def leak(lab: Moe, model: nn.Module, seed: int) -> float:
    """By how much the logits of the first half of the first sequence move when everything else is other text."""
    ids_BL = lab.batch(seed)["inputs"]
    other_BL = (ids_BL + 1 + torch.randint(200, ids_BL.shape, generator=torch.Generator().manual_seed(seed))) % 256
    half = ids_BL.shape[1] // 2
    other_BL[0, :half] = ids_BL[0, :half]
    return float((_logits(model, ids_BL)[0, :half] - _logits(model, other_BL)[0, :half]).abs().max())


@torch.no_grad()
def _logits(model: nn.Module, ids_BL: Tensor) -> Tensor:
    return model(ids_BL, 6)[0]
