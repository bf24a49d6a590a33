"""The runs over which detectors are judged: small trainings of the labs, some that stay sound and some that break."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

SMALL_MOE = {"d_model": 32, "experts": 16, "batch_size": 8, "on_divergence": "continue"}
SMALL_UNET = {"width": 16, "on_divergence": "continue"}


@dataclass(frozen=True)
class Planned:
    """One run.  `kind`: "stable", for a training that is sound, or "breaking"."""

    kind: str
    lab: str
    preset: str
    seed: int
    knobs: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of its folder: whatever decides the run stands in it."""
        digest = hashlib.sha256(json.dumps(self.knobs, sort_keys=True).encode()).hexdigest()[:6]
        return f"{self.kind}-{self.lab}-{self.preset}-{self.seed}-{digest}"


def _seeds(kind: str, lab: str, preset: str, count: int, **knobs: Any) -> list[Planned]:
    return [Planned(kind, lab, preset, seed, {name.replace("__", "."): value for name, value in knobs.items()}) for seed in range(count)]


PLAN = [
    *_seeds("stable", "moe", "healthy", 14, **SMALL_MOE, steps=300),
    *_seeds("stable", "unet", "healthy", 12, **SMALL_UNET, steps=300),
    *_seeds("stable", "consistency", "calm", 8, steps=300),
    *_seeds("stable", "consistency", "mean_flow", 4, steps=300),
    *_seeds("stable", "consistency", "diagnosis", 4, steps=300),
    *_seeds("stable", "gnn", "barbell_cured", 6),
    *_seeds("stable", "gnn", "ring_l2_norm_nu_drew", 4),
    *_seeds("breaking", "moe", "lr_burst", 8, **SMALL_MOE, steps=200, burst_start=100, burst_factor=100.0),
    *_seeds("breaking", "moe", "non_finite", 4, **SMALL_MOE, steps=120),
    *_seeds("breaking", "unet", "healthy", 4, **SMALL_UNET, steps=150, optimizer="sgd", lr=3.0, warmup=60, clip=0.0),
    *_seeds("breaking", "consistency", "smooth_drift", 6, steps=300),
    *_seeds("breaking", "consistency", "unanchored", 4, steps=300),
    *_seeds("breaking", "unet", "silent", 4, steps=100),
    *_seeds("breaking", "gnn", "over_smoothing", 6),
]
