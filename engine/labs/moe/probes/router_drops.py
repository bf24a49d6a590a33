"""Probe: tokens that no expert takes, and where in a sequence they stand.

Shapes: B sequences of L positions, k experts per token.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from engine.labs.moe.models.routing import RoutingRecord, routed
from engine.labs.probe import Metric, Probe, Reading, Step

PARTS = 8  # of a sequence


class RouterDrops(Probe):
    """What a capacity turns away, or what nobody chooses, per layer: of the tokens of a step, of their assignments, and by position.

    A dropped token has no expert left and passes through the residual connection alone.  `router/drop_to_end` is the share dropped in
    the last quarter of the positions minus that in the first (cf. Xue et al. 2024, OpenMoE, arXiv 2402.01739, figure 12).  Where every
    token gets the experts that it chose there is no reading."""

    price = "cheap"
    every = 5
    needs = "routing"
    metrics = (
        Metric("router/dropped", "share of the step's tokens that no expert takes", layered=True, low=0.0, high=1.0),
        Metric("router/dropped_assignments", "share of the choices of an expert that find no place", layered=True, low=0.0, high=1.0),
        Metric(
            "router/dropped_by_position",
            "share of the tokens that no expert takes, by eighths of the sequence from its begin to its end",
            kind="vector",
            layered=True,
        ),
        Metric(
            "router/drop_to_end",
            "share dropped in the last quarter of the positions minus that in the first",
            layered=True,
            low=-1.0,
            high=1.0,
        ),
        Metric("router/experts_per_token", "mean number of experts that a token gets", unit="experts", layered=True, low=0.0),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        for layer, module in routed(step.model).items():
            record = module.record
            if record.kept_Tk is None:
                continue
            dropped_L = by_position(record)
            L = len(dropped_L)
            used_Tk = record.experts_Tk >= 0
            turned_away = (used_Tk & ~record.kept_Tk).sum() / used_Tk.sum().clamp(min=1)
            yield Reading("router/dropped", dropped_L.mean(), layer)
            yield Reading("router/dropped_assignments", turned_away, layer)
            parts = min(PARTS, L)
            yield Reading("router/dropped_by_position", [float(part.mean()) for part in dropped_L.tensor_split(parts)], layer)
            quarter = max(1, L // 4)
            yield Reading("router/drop_to_end", dropped_L[-quarter:].mean() - dropped_L[:quarter].mean(), layer)
            yield Reading("router/experts_per_token", record.kept_Tk.sum() / len(record.kept_Tk), layer)


def by_position(record: RoutingRecord) -> Tensor:
    """The share of the sequences whose token at a position is dropped, (L,)."""
    assert record.kept_Tk is not None
    dropped_T = ~record.kept_Tk.any(dim=1)
    return dropped_T.view(-1, record.length).float().mean(dim=0)
