"""Each layer replaces the state of a node by what its neighbours send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.gnn.remedies.message_passing import MessagePassing, Plan

if TYPE_CHECKING:
    from engine.labs.gnn.models.networks import Passing


class Plain(MessagePassing):
    idea = "In every layer a node takes what its neighbours send and forgets the rest: a message moves one edge per layer."
    formula = r"h_v^{(l)}=\mathrm{relu}\bigl(\mathrm{norm}(\mathrm{layer}(h^{(l-1)})_v)\bigr)"
    paper = "Kipf and Welling, ICLR 2017, arXiv 1609.02907"
    cost = "One layer after the other, and nothing else."
    fails = (
        "By the chain rule the derivative at distance r is a sum over walks, each weighted with the product of its edges in the layer's "
        "matrix; where that sum falls with every edge, so does what arrives."
    )
    reading = "paper"
    source = "eq. 2; the derivative: section 2 of Topping et al. 2022, arXiv 2111.14522"

    def build(self, plan: Plan) -> Passing:
        from engine.labs.gnn.models.networks import Stack

        return Stack(plan.d_in, plan.width, plan.adjacencies, plan.layer, plan.norm, residual=False)
