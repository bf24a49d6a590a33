"""Tokens that an expert turns away go to one of their own device, whether it is full or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.remedies.capacity import KEPT, LimitedChoice

if TYPE_CHECKING:
    from engine.labs.moe.models.rectify import RectifiedCapacity


class RectifyLocal(LimitedChoice):
    """Differs: groups of experts stand for devices, and sequence b of the batch is at home in group b mod G. With one expert per token the
    authors give kept routes the weight 1 as well; here these keep the weight of the router. Only tokens without any kept route are
    rectified; the authors can do it for those that lack one of several.
    """

    idea = (
        "Places are given in the order of the batch. A token that finds none goes to the expert with the largest score among those of its "
        "own device, however many go there: no message travels, and no token is left with the residual connection alone."
    )
    formula = KEPT + (
        r",\quad \text{no route kept}:\ a=\arg\max_{e\in G(b)}p_{te},\ "
        r"y_t=w\,\mathrm{FFN}_a(x_t),\ w=1+p_{ta}-\mathrm{sg}(p_{ta})\ (k=1),\ w=\tfrac{p_{ta}}{\mathrm{sg}(p_{ta})}\ (k>1)"
    )
    paper = "Turn Waste Into Worth: Rectifying Top-k Router of MoE (Zeng et al. 2024, arXiv 2402.12399): intra-GPU rectification"
    cost = "An argmax per token and a column more; every rectified token is computed, beyond the C rows of its expert."
    fails = (
        "By its formula a rectified result counts with weight 1, where a kept one is multiplied by its gate. An expert at home has no "
        "limit, so by its formula its work is bounded by nothing. What a token gets still follows from the sequences before it in the "
        "batch, and from the number of its own sequence too. "
        "No message travels on one machine; what is saved is not measured here."
    )
    reading = "authors' code"
    source = "LocalPostMoELayer in megatron/model/moe/moefication.py of ZhiYuanZeng/gpt-moe"

    groups: int = knob(
        4, "groups of experts that stand for devices", unit="groups", source="our choice; the paper has devices", group="size", ge=1, le=64
    )

    def build(self, info: LayerInfo) -> RectifiedCapacity:
        from engine.labs.moe.models.rectify import RectifiedCapacity

        return RectifiedCapacity(self.limit(), info, self.groups)
