"""The bias controller on synthetic scores (moe.md, test 4): rates, the flipped sign, and the paper's other updates."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from torch import Tensor

from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.remedies.router.loss_free import LossFree, LossFreeRouter

T, E, K, UPDATES = 4096, 16, 2, 500


def controller(**knobs: object) -> LossFreeRouter:
    return LossFree(k=K, **knobs).build(8, E, 1.0, LayerInfo())


@lru_cache(maxsize=1)
def draws(seed: int) -> Tensor:
    """The scores of all updates, (UPDATES, T, E)."""
    seeded = torch.Generator().manual_seed(seed)
    skew_E = torch.randn(E, generator=seeded)
    return torch.randn(UPDATES, T, E, generator=seeded).add_(skew_E).sigmoid_()


def violation(made: LossFreeRouter | None, seed: int) -> float:
    """MaxVio after 500 updates on scores sigmoid(N(0, 1) + b0_e), b0 ~ N(0, 1)."""
    last = 0.0
    for scores_TE in draws(seed)[: UPDATES if made is not None else 1]:
        counts_E = torch.bincount(ranked(made, scores_TE).topk(K).indices.flatten(), minlength=E)
        last = float(counts_E.max() / counts_E.float().mean() - 1)
        if made is not None:
            made.observe(counts_E)
            made.after_step()
    return last


def ranked(made: LossFreeRouter | None, scores_TE: Tensor) -> Tensor:
    if made is None:
        return scores_TE
    return scores_TE * made.bias_E if made.update == "multiplicative" else scores_TE + made.bias_E


@pytest.mark.parametrize("seed", range(2))
def test_the_published_rate_evens_out_a_fast_one_oscillates_and_a_flipped_sign_makes_it_worse(seed: int) -> None:
    none = violation(None, seed)
    assert violation(controller(update_rate=1e-3), seed) < 0.15
    assert violation(controller(update_rate=0.1), seed) > 0.6
    assert violation(controller(update_rate=1e-3, flipped=True), seed) > none


def test_the_paper_s_other_updates_even_out_as_well() -> None:
    none = violation(None, 0)
    assert violation(controller(update="proportional", update_rate=1e-5), 0) < 0.15 < none
    assert violation(controller(update="multiplicative", update_rate=1e-3), 0) < 0.25 < none


def test_each_update_is_its_formula() -> None:
    counts_E = torch.tensor([10, 2] + [4] * 14)
    mean = float(counts_E.sum()) / E
    for knobs, expected in {
        (): [0.01 * (1 if c < mean else -1) for c in counts_E.tolist()],
        (("update", "proportional"),): [0.01 * (mean - c) for c in counts_E.tolist()],
    }.items():
        for recentre in (True, False):
            made = controller(update_rate=0.01, recentre=recentre, **dict(knobs))
            made.observe(counts_E)
            made.after_step()
            shift = sum(expected) / E if recentre else 0.0
            assert made.bias_E.tolist() == pytest.approx([b - shift for b in expected], abs=1e-7)
    times = controller(update="multiplicative", update_rate=0.01)
    assert times.bias_E.eq(1).all(), "a factor starts at 1"
    times.observe(counts_E)
    times.after_step()
    assert times.bias_E.tolist() == pytest.approx([1 + 0.01 * (1 if c < mean else -1) for c in counts_E.tolist()])
