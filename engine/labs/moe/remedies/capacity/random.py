"""Places go to tokens drawn at random."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.labs.moe.models.capacity import Capacity
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.capacity import KEPT, LimitedChoice


class RandomOrder(LimitedChoice):
    """Differs: nothing published fixes the draw; here it follows from seed, layer and step, so that a resumed run draws the same."""

    idea = (
        "Each expert has C places. They are raffled among the tokens that chose it, anew in every step, so that each of them has the "
        "same chance, wherever it stands in the batch."
    )
    formula = KEPT + r",\quad \mathrm{rank}_e\ \text{in a random order}"
    paper = (
        "Scalable and Efficient MoE Training for Multitask Multilingual Models (Kim et al. 2021, arXiv 2109.10465); "
        "against attacks proposed by Hayes et al. (arXiv 2402.05526)"
    )
    cost = "A random number per token and a stable sort of the T k assignments."
    fails = (
        "The same text may come out differently in another step: what is turned away is chance. By its formula as many tokens are turned "
        "away as in any other order."
    )
    reading = "public code"
    source = "use_rts in deepspeed/moe/sharded_moe.py; the draw is ours"

    def build(self, info: LayerInfo) -> RandomOrderCapacity:
        return RandomOrderCapacity(self.limit(), info)


class RandomOrderCapacity(Capacity):
    def priority(self, routing: RoutingRecord, context: RouteContext) -> Tensor:
        draws_T = torch.rand(len(routing.experts_Tk), generator=self.generator(context))
        return draws_T.to(routing.experts_Tk.device)
