"""No limit: every token gets the experts that it chose."""

from __future__ import annotations

from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.remedies.capacity import CapacityChoice


class NoCapacity(CapacityChoice):
    """Differs: MegaBlocks pads each expert's rows to a multiple of `128` for its block-sparse product; here they stay as they are."""

    idea = (
        "An expert takes every token that chose it, however many these are, so none is turned away. "
        "The layer's work stays the same; where experts run side by side, it takes as long as the fullest one."
    )
    formula = r"y_t=\sum_{e\in S_t}w_{te}\,\mathrm{FFN}_e(x_t)"
    paper = "MegaBlocks (Gale et al. 2022, arXiv 2211.15841), which calls it dropless"
    cost = "No bookkeeping; memory is for the busiest expert, which nothing bounds."
    fails = "By its formula nothing keeps the load even: that is the router's task."
    reading = "public code"
    source = "megablocks/layers/dmoe.py of databricks/megablocks"

    def build(self, info: LayerInfo) -> None:
        return None
