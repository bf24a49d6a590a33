"""Places go to the tokens that stand first in the batch: sequence after sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.labs.moe.models.capacity import Capacity
from engine.labs.moe.models.place import Place
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.capacity import KEPT, LimitedChoice


class BatchOrder(LimitedChoice):
    """Differs: Switch pads every expert to C rows, so that shapes are fixed; here only the kept rows are computed."""

    idea = (
        "Each expert has C places. Tokens take them in the order of the batch, one sequence after the other, first choices before second "
        "ones; who comes too late passes through the residual connection alone."
    )
    formula = KEPT + r",\quad \mathrm{rank}_e\ \text{in the order}\ (b,\ell)"
    paper = (
        "Switch Transformers (Fedus, Zoph, Shazeer 2021, arXiv 2101.03961), section 2.2; GShard (Lepikhin et al. 2020, arXiv 2006.16668)"
    )
    cost = "A stable sort of the T k assignments; the work of an expert is bounded by C rows."
    fails = (
        "What a token gets depends on the sequences before it in the batch, by its formula: somebody else's text can push it out "
        "(Hayes et al. 2024, arXiv 2402.05526). How much that costs here is not measured."
    )
    reading = "paper"
    source = "GShard, algorithm 1; Switch, eq. 3; compared with mesh_tensorflow/transformer/moe.py"

    def build(self, place: Place) -> BatchOrderCapacity:
        return BatchOrderCapacity(self.places(), place)


class BatchOrderCapacity(Capacity):
    def priority(self, routing: RoutingRecord, context: RouteContext) -> Tensor:
        return torch.arange(len(routing.experts_Tk), device=routing.experts_Tk.device)
