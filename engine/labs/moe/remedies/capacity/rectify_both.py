"""Tokens that are turned away go to their own device, then the places that are left go to further tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.remedies.capacity import KEPT, LimitedChoice

if TYPE_CHECKING:
    from engine.labs.moe.models.rectify import RectifiedCapacity


class RectifyBoth(LimitedChoice):
    """Differs: as in rectify_local and rectify_fill. A token that was sent home takes a place that is left there, so that fewer remain."""

    idea = (
        "Places are given in the order of the batch. A token that finds none goes to the largest score on its own device, without a limit; "
        "then the places that experts have left go to tokens that would choose them next, served by their score. "
        "No token is dropped, and few places stay empty."
    )
    formula = KEPT + r",\quad \text{then rectify\_local for tokens without a kept route, then rectify\_fill for places without a token}"
    paper = "Turn Waste Into Worth: Rectifying Top-k Router of MoE (Zeng et al. 2024, arXiv 2402.12399), both rectifications"
    cost = "Two columns more: the work of rectify_local and of rectify_fill together."
    fails = (
        "By its formula it has what is wrong with either: results sent home count with weight 1 and their expert has no limit, and whether "
        "a place that is left is one's own follows from later tokens (not causal). No message travels on one machine; what is saved is "
        "not measured here."
    )
    reading = "authors' code"
    source = "moefication.py and train_7b_8e_top1+1_postlocal_ignorek.yml of ZhiYuanZeng/gpt-moe"

    groups: int = knob(
        4, "groups of experts that stand for devices", unit="groups", source="our choice; the paper has devices", group="size", ge=1, le=64
    )

    def build(self, info: LayerInfo) -> RectifiedCapacity:
        from engine.labs.moe.models.rectify import RectifiedCapacity

        return RectifiedCapacity(self.limit(), info, self.groups, fill=True)
