"""νDRew: messages from further away come directly, but later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.message_passing import MessagePassing, Plan
from engine.labs.gnn.remedies.message_passing._drew import MATCH, MATCH_SOURCE, PAPER, delayed

if TYPE_CHECKING:
    from engine.labs.gnn.models.networks import Passing


class NuDrew(MessagePassing):
    idea = (
        "Layer t adds messages from every distance k up to t + 1, and a message from distance k is what its sender knew k − ν layers "
        "ago. With ν = 1 it arrives when it would have arrived edge by edge, without having been mixed on the way."
    )
    formula = r"h_v^{(t+1)}=h_v^{(t)}+\mathrm{relu}\Bigl(\sum_{k=1}^{t+1}\hat S_k\,h^{(t-\max(k-\nu,0))}W_{k,t}\Bigr)_v"
    paper = PAPER
    cost = "`L(L + 1)/2` matrices of weights for L layers, edges between all nodes that some layer reaches, and the states of all layers."
    fails = (
        "The delay is one of two things that it changes, the direct edges are the other: message_passing=drew has these alone, and the "
        "presets ring_batch_norm and ring_l2_norm set both side by side {shown ring_batch_norm_drew, ring_l2_norm_drew}."
    )
    reading = "authors' code"
    source = "eq. 7; lrgb/graphgps/stage/drew_gnn.py of BenGutteridge/DRew"

    nu: int = knob(
        1,
        "distance up to which messages are not delayed, ν",
        unit="edges",
        source="1 in the paper's RingTransfer",
        group="remedy",
        ge=1,
        le=64,
    )
    match_parameters: bool = knob(True, MATCH, source=MATCH_SOURCE, group="remedy")

    def build(self, plan: Plan) -> Passing:
        return delayed(plan, self.nu, self.match_parameters)
