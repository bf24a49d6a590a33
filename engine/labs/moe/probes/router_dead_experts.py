"""Probe: how many experts have had next to no work lately."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from engine.labs.moe.models.routing import routed
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor

DECAY = 0.95  # of the moving average per step: it remembers about 20 steps
DEAD = 0.1  # of the fair share 1/E


class RouterDeadExperts(Probe):
    """Experts whose average load over about the last 20 steps is under a tenth of the fair share, per layer."""

    price = "cheap"
    every = 1  # it has a memory: it must see every step
    needs = "routing"
    metrics = (
        Metric(
            "router/dead_experts",
            "experts whose moving average of the load (decay 0.95 a step, bias-corrected) is under 0.1/E; some of them still get a trickle",
            unit="experts",
            layered=True,
            of="experts",
        ),
    )

    def __init__(self, lab: Any, model: Any) -> None:
        self.average_E: dict[str, Tensor] = {}
        self.seen = 0

    def after(self, step: Step) -> Iterable[Reading]:
        self.seen += 1
        for layer, module in routed(step.model).items():
            counts_E = module.record.counts_E
            load_E = counts_E / counts_E.sum()
            before_E = self.average_E.get(layer)
            self.average_E[layer] = (1.0 - DECAY) * load_E + (0.0 if before_E is None else DECAY * before_E.to(load_E.device))
            corrected_E = self.average_E[layer] / (1.0 - DECAY**self.seen)
            yield Reading("router/dead_experts", (corrected_E < DEAD / len(load_E)).sum(), layer)

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on with the same average."""
        return {"seen": self.seen, "average_E": dict(self.average_E)}

    def load(self, state: dict[str, Any]) -> None:
        self.seen, self.average_E = state["seen"], dict(state["average_E"])
