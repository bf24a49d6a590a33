"""StableMoE: what trains in which stage, both losses against loops, and that no byte moves after stage 1 (moe.md, test 7).

Shapes: T tokens, D width, E experts.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.routing import RouteContext
from engine.labs.moe.remedies.router.stable_moe import StableMoERouter

T, D, E = 30, 6, 4
COPY = ("bytes_VH", "copy_EH")


def router(**over: float) -> StableMoERouter:
    return initialise(StableMoERouter(D, E, 2.0, stage_1=10, copy_width=5, **over), 3).double().train()


def batch(step: int, seed: int = 0) -> tuple[Tensor, RouteContext]:
    seeded = torch.Generator().manual_seed(seed)
    ids_T = torch.randint(7, (T,), generator=seeded)
    return torch.randn(T, D, dtype=torch.float64, generator=seeded), RouteContext(ids_T, T, step)


def test_in_stage_1_it_is_greedy_and_its_losses_are_those_of_the_paper() -> None:
    made, (x_TD, context) = router(balance_weight=0.7, distil_weight=0.2), batch(9)
    got = made(x_TD, context)
    s = (x_TD @ made.weight.T).tolist()
    chosen = [max(range(E), key=lambda e: row[e]) for row in s]
    assert got.experts_Tk.flatten().tolist() == chosen
    gate = [1 / (1 + math.exp(-s[t][e])) for t, e in enumerate(chosen)]
    assert got.weights_Tk.flatten().tolist() == pytest.approx(gate)
    mean = T / E
    balance = sum((chosen.count(e) - mean) / mean * sum(g for g, c in zip(gate, chosen, strict=True) if c == e) for e in range(E)) / T
    assert got.losses["balance"].item() == pytest.approx(0.7 * balance)
    copied = (made.bytes_VH[context.ids_T] @ made.copy_EH.T).tolist()
    distil = sum(math.log(sum(math.exp(v) for v in row)) - row[e] for row, e in zip(copied, chosen, strict=True)) / T
    assert got.losses["distil"].item() == pytest.approx(0.2 * distil)


def test_the_copy_trains_in_stage_1_by_its_own_loss_alone_and_never_after() -> None:
    made = router()
    for step, names in ((9, ["weight", *COPY]), (10, ["weight"]), (500, ["weight"])):
        made.zero_grad()
        x_TD, context = batch(step)
        got = made(x_TD, context)
        (got.weights_Tk.sum() + sum(got.losses.values(), torch.zeros(()))).backward()
        assert [name for name, p in made.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0] == names
    made.zero_grad()
    x_TD, context = batch(0)
    made(x_TD, context).losses["distil"].backward()
    assert made.weight.grad is None, "distilling teaches the copy, not the router"


def test_after_stage_1_a_byte_keeps_its_expert_whatever_the_router_learns() -> None:
    made = router()
    x_TD, context = batch(10)
    before = made(x_TD, context).experts_Tk
    with torch.no_grad():
        made.weight.add_(torch.randn(E, D, dtype=torch.float64, generator=torch.Generator().manual_seed(8)))
    later_TD, later = batch(400)
    assert torch.equal(later.ids_T, context.ids_T)
    assert torch.equal(made(-3.0 * later_TD, later).experts_Tk, before), "the fluctuation rate is 0"
    by_byte = {int(byte): int(expert) for byte, expert in zip(context.ids_T, before.flatten(), strict=True)}
    assert before.flatten().tolist() == [by_byte[int(byte)] for byte in context.ids_T]


def test_evaluation_routes_by_the_copy_in_stage_1_too_and_adds_no_loss() -> None:
    made, (x_TD, context) = router(), batch(0)
    got = made.eval()(x_TD, context)
    assert got.losses == {}
    assert torch.equal(got.experts_Tk.squeeze(1), (made.bytes_VH[context.ids_T] @ made.copy_EH.T).argmax(dim=1))


def test_the_copy_learns_to_route_as_the_router_does_where_the_byte_decides() -> None:
    made = router()
    of_byte = torch.randn(7, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    adam = torch.optim.Adam([made.bytes_VH, made.copy_EH], lr=0.05)
    _, context = batch(0)
    for _ in range(60):
        adam.zero_grad()
        made(of_byte[context.ids_T], context).losses["distil"].backward()
        adam.step()
    stage_1, stage_2 = (made(of_byte[context.ids_T], RouteContext(context.ids_T, T, step)).experts_Tk for step in (0, 10))
    assert torch.equal(stage_1, stage_2)
