"""DRew: layer after layer, messages come directly from further away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.message_passing import MessagePassing, Plan
from engine.labs.gnn.remedies.message_passing._drew import MATCH, MATCH_SOURCE, PAPER, delayed

if TYPE_CHECKING:
    from engine.labs.gnn.models.networks import Passing


class Drew(MessagePassing):
    idea = (
        "Layer t adds messages from every distance up to t + 1, each distance with weights of its own, and reads what is there now. "
        "It is νDRew without the delay."
    )
    formula = r"h_v^{(t+1)}=h_v^{(t)}+\mathrm{relu}\Bigl(\sum_{k=1}^{t+1}\hat S_k\,h^{(t)}W_{k,t}\Bigr)_v"
    paper = PAPER
    cost = "`L(L + 1)/2` matrices of weights for L layers, and edges between all nodes that some layer reaches."
    fails = "Neighbours at distance k are told apart from others, but the graph's own edges count only through distances."
    reading = "authors' code"
    source = "eq. 5; lrgb/graphgps/stage/drew_gnn.py of BenGutteridge/DRew"

    match_parameters: bool = knob(True, MATCH, source=MATCH_SOURCE, group="remedy")

    def build(self, plan: Plan) -> Passing:
        return delayed(plan, None, self.match_parameters)
