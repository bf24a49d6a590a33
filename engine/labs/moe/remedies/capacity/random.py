"""Places go to tokens drawn at random."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.labs.moe.models.capacity import Capacity
from engine.labs.moe.models.place import Place
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.capacity import KEPT, LimitedChoice


class RandomOrder(LimitedChoice):
    """Differs: nothing published fixes the draw; here it follows from seed, layer and step, so that a resumed run draws the same."""

    idea = (
        "Each expert has C places. They are raffled among the tokens that chose it, anew in every step, so that no position and no place "
        "in the batch is worse than another."
    )
    formula = KEPT + r",\quad \mathrm{rank}_e\ \text{in a random order}"
    paper = "Buffer Overflow in Mixture of Experts (Hayes, Shumailov, Yona 2024, arXiv 2402.05526), which proposes it against attacks"
    cost = "A random number per token and a stable sort of the T k assignments."
    fails = (
        "The same text may come out differently in another step: what is turned away is chance. By its formula as many tokens are turned "
        "away as in any other order."
    )
    reading = "our reading of the abstract"
    source = "the order is the paper's proposal; the draw is ours"

    def build(self, place: Place) -> RandomOrderCapacity:
        return RandomOrderCapacity(self.places(), place)


class RandomOrderCapacity(Capacity):
    def priority(self, routing: RoutingRecord, context: RouteContext) -> Tensor:
        draws_T = torch.rand(len(routing.experts_Tk), generator=self.generator(context))
        return draws_T.to(routing.experts_Tk.device)
