"""Probe `feature_norm_fixed`: the features of the decoder on pictures and noise that never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.diffusion.probes._fixed_pass import fixed_pass
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 5  # readings of the moving averages


class FeatureNormFixed(Probe):
    """As `feature_norm`, on a fixed batch of 32 validation pictures with fixed noise: what moves here moves by the weights alone.

    The swing is between readings twenty steps apart; its only floor is rounding."""

    price = "cheap"
    every = 20
    needs = "long_skips"
    metrics = (
        Metric("feature_norm/fixed", "mean squared norm of the outermost decoder block's output, fixed batch"),
        Metric("feature_norm/fixed_blocks", "the same of every decoder block, the outermost first", kind="vector"),
        Metric(
            "oscillation/fixed", "mean change of feature_norm/fixed from reading to reading, divided by its mean, over about 5 readings"
        ),
    )

    def __init__(self, lab: Any, model: Any) -> None:
        self.averages: dict[str, Tensor] = {}

    def after(self, step: Step) -> Iterable[Reading]:
        means_N = fixed_pass(step).feature_norms_NB.mean(dim=1)
        now, a = means_N[0], self.averages
        yield Reading("feature_norm/fixed", now)
        yield Reading("feature_norm/fixed_blocks", means_N)
        if "before" in a:
            for name, value in (("level", now), ("change", (now - a["before"]).abs())):
                a[name] = a.get(name, torch.zeros_like(now)) * (1.0 - 1.0 / WINDOW) + value / WINDOW
            yield Reading("oscillation/fixed", a["change"] / a["level"])
        a["before"] = now

    def state(self) -> dict[str, Any]:
        return {"averages": dict(self.averages)}

    def load(self, state: Mapping[str, Any]) -> None:
        self.averages = dict(state["averages"])
