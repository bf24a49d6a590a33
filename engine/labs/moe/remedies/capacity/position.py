"""Places go by position: the first bytes of all sequences, then the second ones."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.labs.moe.models.capacity import Capacity
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.capacity import KEPT, LimitedChoice


class PositionOrder(LimitedChoice):
    """Differs: OpenMoE's group is a sequence, where this order and the order of the batch are the same; here the group is a knob."""

    idea = (
        "Each expert has C places. They are given position by position: the first byte of every sequence, then the second of every "
        "sequence, and so on; the ends of the sequences come last and find the experts full."
    )
    formula = KEPT + r",\quad \mathrm{rank}_e\ \text{in the order}\ (\ell,b)"
    paper = "OpenMoE (Xue et al. 2024, arXiv 2402.01739), section 4.3: drop towards the end"
    cost = "A stable sort of the T k assignments; the work of an expert is bounded by C rows."
    fails = (
        "By its formula late positions lose more tokens than early ones, whatever they say: OpenMoE reports it for text that is unlike "
        "the training text. How much it is here is not measured."
    )
    reading = "paper"
    source = "OpenMoE, figure 12; the order over sequences is our choice"

    def build(self, info: LayerInfo) -> PositionOrderCapacity:
        return PositionOrderCapacity(self.limit(), info)


class PositionOrderCapacity(Capacity):
    def priority(self, routing: RoutingRecord, context: RouteContext) -> Tensor:
        return torch.arange(len(routing.experts_Tk), device=routing.experts_Tk.device) % context.length
