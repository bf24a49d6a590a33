"""Places that nobody took go to tokens whose next choice the expert is, those with the largest scores first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.remedies.capacity import KEPT, LimitedChoice

if TYPE_CHECKING:
    from engine.labs.moe.models.rectify import RectifiedCapacity


class RectifyFill(LimitedChoice):
    """Differs: the authors run it as a choice more under a factor smaller by k in k + 1, half for one expert per token, which leaves the
    places of an expert as they are; here the factor means the same for all capacities. They divide the weights of a token by their sum;
    here each is the score that the gate gives.
    """

    idea = (
        "Places are given in the order of the batch. Those that an expert has left go to tokens that would choose it next, "
        "served by their score for it: work that would be spent on padding is spent on tokens. "
        "A token that was turned away may be served this way, and one that was not may get an expert more."
    )
    formula = KEPT + (
        r",\quad a=\arg\max_{e\notin S_t}p_{te},\quad "
        r"\mathrm{filled}_{ta}=[\,\mathrm{rank}_a(p_{ta})\le C-\textstyle\sum_s\mathrm{kept}_{sa}\,],\quad "
        r"y_t=\dots+p_{ta}\,\mathrm{filled}_{ta}\,\mathrm{FFN}_a(x_t)"
    )
    paper = "Turn Waste Into Worth: Rectifying Top-k Router of MoE (Zeng et al. 2024, arXiv 2402.12399): fill-in rectification"
    cost = "An argmax and a sort of the T scores, and a column more; every expert computes up to its C rows."
    fails = (
        "Who gets a place that is left follows from the scores of later tokens, by its formula: in a language model what comes after "
        "decides what a byte gets (not causal). An expert that is nobody's next choice keeps its places empty, by its formula, and a token "
        "whose next choice is full is offered no other. Scores of hash are zero for all but the chosen expert, so it fills with nothing."
    )
    reading = "authors' code"
    source = (
        "moefication.py, train_7b_8e_top1+1.yml and train_7b_8e_top2+1.yml of ZhiYuanZeng/gpt-moe; the order by score as a summary has it"
    )

    def build(self, info: LayerInfo) -> RectifiedCapacity:
        from engine.labs.moe.models.rectify import RectifiedCapacity

        return RectifiedCapacity(self.limit(), info, fill=True)
