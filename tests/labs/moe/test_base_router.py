"""BASE: the auction against the exact assignment and against greedy routing (moe.md, test 6), and what the router makes of it.

Shapes: T tokens, E experts.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from engine.labs.moe.models import auction as module
from engine.labs.moe.models.auction import auction
from engine.labs.moe.remedies.router.base import BaseRouter
from tests.support.routing import no_text


def scores(T: int, E: int, seed: int, size: float = 1.0, skew: float = 1.0) -> Tensor:
    seeded = torch.Generator().manual_seed(seed)
    return size * torch.randn(T, E, generator=seeded) + skew * torch.randn(E, generator=seeded)


def total(scores_TE: Tensor, experts_T: Tensor) -> float:
    return float(scores_TE.double().gather(1, experts_T.unsqueeze(1)).sum())


def best(scores_TE: Tensor) -> float:
    """The largest total of any assignment with T/E tokens per expert, by scipy."""
    cost = np.repeat(scores_TE.double().numpy(), len(scores_TE) // scores_TE.shape[1], axis=1)
    return float(cost[linear_sum_assignment(-cost)].sum())


def greedy_with_capacity(scores_TE: Tensor) -> float:
    """One token after the other takes the best expert that still has a place."""
    T, E = scores_TE.shape
    room, out = [T // E] * E, 0.0
    for row in scores_TE.double().tolist():
        expert = max((e for e in range(E) if room[e]), key=lambda e: row[e])
        room[expert] -= 1
        out += row[expert]
    return out


@pytest.mark.parametrize(("T", "E", "size", "skew"), [(64, 4, 1.0, 1.0), (96, 8, 0.1, 2.0), (120, 6, 10.0, 0.0), (60, 20, 1.0, 1.0)])
@pytest.mark.parametrize("seed", range(3))
def test_every_expert_gets_its_share_and_the_total_is_nearly_the_best(T: int, E: int, size: float, skew: float, seed: int) -> None:
    scores_TE = scores(T, E, seed, size, skew)
    experts_T, rounds = auction(scores_TE)
    assert rounds > 0, "it ended by itself"
    assert torch.bincount(experts_T, minlength=E).tolist() == [T // E] * E
    least = float(scores_TE.max() - scores_TE.min()) / module.RAISE
    assert best(scores_TE) - T * least <= total(scores_TE, experts_T) <= best(scores_TE) + 1e-6
    assert total(scores_TE, experts_T) >= greedy_with_capacity(scores_TE)


def test_shares_that_are_no_whole_number_differ_by_what_is_filled_up() -> None:
    experts_T, _ = auction(scores(50, 7, 0))
    counts_E = torch.bincount(experts_T, minlength=7)
    assert counts_E.sum() == 50
    assert counts_E.max() <= 8
    assert auction(scores(9, 1, 0))[0].tolist() == [0] * 9
    assert torch.bincount(auction(torch.zeros(64, 4))[0], minlength=4).tolist() == [16] * 4, "scores that say nothing"


def test_an_auction_that_does_not_end_is_still_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROUNDS", 1)
    scores_TE = scores(64, 4, 5, skew=5.0)
    experts_T, rounds = auction(scores_TE)
    assert rounds == 0
    assert torch.bincount(experts_T, minlength=4).tolist() == [16] * 4
    assert total(scores_TE, experts_T) <= best(scores_TE)


def test_training_is_even_evaluation_greedy_and_the_gate_the_only_gradient() -> None:
    made = BaseRouter(6, 4, 1).double()
    with torch.no_grad():
        made.weight.copy_(torch.randn(4, 6, generator=torch.Generator().manual_seed(3)))
    x_TD = torch.randn(40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    s_TE = x_TD @ made.weight.T
    trained, greedy = made.train()(x_TD, no_text(40)), made.eval()(x_TD, no_text(40))
    assert torch.bincount(trained.experts_Tk.flatten(), minlength=4).tolist() == [10] * 4
    assert torch.equal(greedy.experts_Tk.squeeze(1), s_TE.argmax(dim=1))
    torch.testing.assert_close(trained.weights_Tk, s_TE.sigmoid().gather(1, trained.experts_Tk))
    trained.weights_Tk.sum().backward()
    gate_TE = (s_TE.sigmoid() * (1 - s_TE.sigmoid())).detach()
    expected = sum(
        gate_TE[t, e] * torch.outer(torch.eye(4, dtype=torch.float64)[e], x_TD[t]) for t, e in enumerate(trained.experts_Tk[:, 0])
    )
    torch.testing.assert_close(made.weight.grad, expected)
