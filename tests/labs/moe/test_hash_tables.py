"""The tables of hash routing, and what is frozen for good."""

from __future__ import annotations

import pytest
import torch

from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.routing import RouteContext
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router.frozen_random import FrozenRandom
from engine.labs.moe.remedies.router.hash import Hash, balanced, byte_counts


def test_the_balanced_table_gives_the_most_frequent_bytes_first_and_to_the_idlest_expert() -> None:
    assert balanced([9, 1, 5, 4, 4], 2).tolist() == [0, 1, 1, 1, 0]  # 9 | 5 | 5+4 | then a tie: the lowest | and 1 to the idler
    counts_V = byte_counts()
    assert sum(counts_V) > 1e6
    modulo = [sum(counts_V[e::32]) for e in range(32)]
    table_V = balanced(counts_V, 32).tolist()
    load_E = [sum(n for n, e in zip(counts_V, table_V, strict=True) if e == expert) for expert in range(32)]
    assert max(load_E) == max(counts_V), "nothing can split the most frequent byte, and nobody has more than it"
    assert max(load_E) < max(modulo)


@pytest.mark.parametrize("table", ["modulo", "random", "balanced"])
def test_a_table_follows_from_knobs_seed_and_layer_and_every_byte_keeps_its_expert(table: str) -> None:
    made, again, other = (Hash(table=table).build(8, 32, 1.0, LayerInfo(4, layer)) for layer in (0, 0, 1))
    assert torch.equal(made.table_V, again.table_V)
    assert torch.equal(made.table_V, other.table_V) == (table != "random")
    assert made.state_dict() == {}, "a checkpoint needs no table"
    ids_T = torch.arange(256)
    got = made(torch.zeros(256, 8), RouteContext(ids_T, 256))
    assert torch.equal(got.experts_Tk.squeeze(1), made.table_V)
    assert got.weights_Tk.eq(1).all()
    assert made.table_V.min() >= 0
    assert made.table_V.max() <= 31


def test_a_frozen_router_is_drawn_from_the_seed_gets_no_gradient_and_never_moves() -> None:
    lab = Moe(router=FrozenRandom(), experts=4, d_model=8, heads=2, layers=1, context=8, batch_size=2, expert_width=4)
    model = lab.model().train()
    before = model.blocks[0].moe.router.weight.clone()
    assert not torch.equal(before, lab.model_copy(update={"seed": 1}).model().blocks[0].moe.router.weight)
    optimizer = lab.optimizer.build(model.named_parameters(), 0.1)
    sum(lab.loss(model, lab.batch(0), 0).values()).backward()
    assert model.blocks[0].moe.router.weight.grad is None
    optimizer.step()
    assert torch.equal(model.blocks[0].moe.router.weight, before), "weight decay does not touch it either"
