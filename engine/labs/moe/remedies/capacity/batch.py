"""Places go to the tokens that stand first in the batch: sequence after sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.labs.moe.models.capacity import Capacity
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.capacity import KEPT, LimitedChoice


class BatchOrder(LimitedChoice):
    """Differs: Switch pads every expert to C rows, so that shapes are fixed; here only the kept rows are computed."""

    idea = (
        "Each expert has C places. Tokens take them in the order of the batch, one sequence after the other, first choices before second "
        "ones; the others pass through the residual connection alone."
    )
    formula = KEPT + r",\quad \mathrm{rank}_e\ \text{in the order}\ (b,\ell)"
    paper = (
        "Switch Transformers (Fedus, Zoph, Shazeer 2021, arXiv 2101.03961), section 2.2; GShard (Lepikhin et al. 2020, arXiv 2006.16668)"
    )
    cost = "A stable sort of the T k assignments; the work of an expert is bounded by C rows."
    fails = (
        "By its formula somebody else's text, earlier in the batch, can push a token out (Hayes et al., arXiv 2402.05526). "
        "By how much that moves what a victim reads is not measured here."
    )
    reading = "paper"
    source = "GShard, algorithm 1; Switch, eq. 3; compared with mesh_tensorflow/transformer/moe.py"

    def build(self, info: LayerInfo) -> BatchOrderCapacity:
        return BatchOrderCapacity(self.limit(), info)


class BatchOrderCapacity(Capacity):
    def priority(self, routing: RoutingRecord, context: RouteContext) -> Tensor:
        return torch.arange(len(routing.experts_Tk), device=routing.experts_Tk.device)
