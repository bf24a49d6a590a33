"""Each layer adds what the neighbours send to what a node knows already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.gnn.remedies.message_passing import MessagePassing, Plan

if TYPE_CHECKING:
    from engine.labs.gnn.models.networks import Passing


class Residual(MessagePassing):
    idea = "The state of a node goes past every layer, which only adds to it: a node can remember what it knew however deep the network is."
    formula = r"h_v^{(l)}=h_v^{(l-1)}+\mathrm{relu}\bigl(\mathrm{norm}(\mathrm{layer}(h^{(l-1)})_v)\bigr),\quad h^{(0)}=W_0x+b_0"
    paper = "He, Zhang, Ren and Sun, CVPR 2016, arXiv 1512.03385; in graph networks since Kipf and Welling, ICLR 2017, arXiv 1609.02907"
    cost = "One more linear map at the input, to the width of the states."
    fails = "The shortcut is from a node to itself: no message travels a longer way for it."
    reading = "paper"
    source = "Kipf and Welling, appendix B, eq. 14"

    def build(self, plan: Plan) -> Passing:
        from engine.labs.gnn.models.networks import Stack

        return Stack(plan.d_in, plan.width, plan.adjacencies, plan.layer, plan.norm, residual=True)
