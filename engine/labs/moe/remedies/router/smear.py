"""Soft merging of experts: a stretch of text is not sent to one expert, the experts are averaged into one and it runs that.

Shapes: B sequences, L positions, T = B L tokens, N segments of a sequence, S bytes of a segment, D width, E experts, n hidden units.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, pad

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import Experts, LinearRouter
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice

GAIN = 1e-2  # what the authors' code starts the gain of the normalised router weights with


class Smear(RouterChoice):
    """Differs: the authors pool a whole example, here a segment is routed by the bytes before it unless the pool is the sequence.
    The gain of the router's weights is a constant plus a parameter that starts at zero, so weight decay pulls it to its start; their
    norm has no bias, which by its formula shifts all logits alike. Expert dropout, jitter and several routers are not built.
    """

    idea = (
        "Each segment of a sequence gets one softmax over the experts, from the mean of the tokens before it. The experts' matrices are "
        "averaged with these weights, and the segment runs through the one merged expert. "
        "Nothing is chosen, so the gradient reaches every expert and the router without any estimator and no balance loss is added."
    )
    formula = (
        r"\pi_g=\mathrm{softmax}\big(\mathrm{LN}(W)\,\mathrm{LN}(\bar x_g)+b\big),\quad "
        r"\bar W^{in}_g=\sum_e\pi_{ge}W^{in}_e,\ \bar W^{out}_g=\sum_e\pi_{ge}W^{out}_e,\quad "
        r"y_t=\bar W^{out}_g\,\mathrm{gelu}(\bar W^{in}_gx_t)\ \text{for}\ t\in g"
    )
    paper = "Soft Merging of Experts with Adaptive Routing (Muqeeth, Liu, Raffel 2023, arXiv 2306.03745)"
    cost = "A merged copy of the expert per segment: E multiplications for each of its weights, and memory for all copies at once."
    fails = (
        "With the pool `sequence` every byte's expert follows from the bytes after it, by its formula: the loss is then that of a model "
        "which has seen the future, and nothing can be generated with it. All bytes of a segment share one expert, so by its formula "
        "bytes of one segment cannot be told apart by the routing. A capacity turns nobody away, for nobody is sent anywhere. "
        "What the mixtures become is not measured here."
    )
    reading = "authors' code"
    source = "adapter_utils.py and adapter_controller_fast.py of r-three/smear, parameter averaging"

    pool: Literal["segment", "sequence"] = knob(
        "segment",
        "what a mixture follows from: the bytes before the segment, or the whole sequence, which shows a byte its future",
        source="the paper pools the whole input of its encoder",
        group="remedy",
    )
    segment: int = knob(
        16, "bytes that share a mixture; unused where the pool is the sequence", unit="bytes", group="remedy", ge=1, le=8192
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> SmearRouter:
        return SmearRouter(d, experts, init_factor, self.segment if self.pool == "segment" else None)


class SmearRouter(LinearRouter):
    """`segment`: bytes of a segment; None: the sequence is one, and its own mean routes it."""

    def __init__(self, d: int, experts: int, init_factor: float, segment: int | None) -> None:
        super().__init__(d, experts, 1)  # the weight's own size goes away when it is normalised
        self.segment, self.start = segment, GAIN * init_factor
        self.norm = nn.LayerNorm(d)
        self.gain = nn.Parameter(torch.zeros(d))
        self.bias = nn.Parameter(torch.zeros(experts))

    def logits(self, x_TD: Tensor) -> Tensor:
        """Of pooled tokens, in fp32 or more."""
        with torch.autocast(x_TD.device.type, enabled=False):
            wide = torch.promote_types(x_TD.dtype, torch.float32)
            weight_ED = layer_norm(self.weight.to(wide), self.norm.normalized_shape) * (self.start + self.gain.to(wide))
            return linear(self.norm(x_TD.to(wide)), weight_ED, self.bias.to(wide))

    def pooled_logits(self, x_BLD: Tensor) -> Tensor:
        """-> (B, N, E), one row for each segment."""
        B, L, D = x_BLD.shape
        wide = torch.promote_types(x_BLD.dtype, torch.float32)
        if self.segment is None:
            return self.logits(x_BLD.to(wide).mean(dim=1)).unsqueeze(1)
        first_B1E = self.bias.to(wide).expand(B, 1, -1)
        later = -(-L // self.segment) - 1
        if not later:
            return first_B1E
        past_BND = x_BLD[:, : later * self.segment].to(wide).view(B, later, self.segment, D).sum(dim=2).cumsum(dim=1)
        ends_N = self.segment * torch.arange(1, later + 1, device=x_BLD.device)
        return torch.cat([first_B1E, self.logits(past_BND / ends_N.unsqueeze(1))], dim=1)

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        L = context.length
        logits_BNE = self.pooled_logits(x_TD.view(-1, L, x_TD.shape[1]))
        logits_TE = logits_BNE.repeat_interleave(self.segment or L, dim=1)[:, :L].flatten(0, 1)
        probs_TE = logits_TE.softmax(dim=-1)
        ranked_TE = probs_TE.detach()
        experts_T1 = ranked_TE.argmax(dim=1, keepdim=True)
        record = RoutingRecord(experts_T1, torch.ones_like(ranked_TE[:, :1]), probs_TE, logits_TE, "softmax", ranked_TE=ranked_TE)
        return replace(record, soft_TE=probs_TE, counts_E=ranked_TE.sum(dim=0), length=L)  # the load is what each expert is mixed in

    def mix(self, x_TD: Tensor, routing: RoutingRecord, layer: Experts) -> Tensor:
        assert routing.soft_TE is not None
        L, (T, D) = routing.length, x_TD.shape
        S = min(self.segment or L, L)
        pi_BNE = routing.soft_TE.view(-1, L, self.experts)[:, ::S]
        pi_GE = pi_BNE.flatten(0, 1).to(layer.weight_in.dtype)
        in_GnD, out_GDn = (merged(pi_GE, weight) for weight in (layer.weight_in, layer.weight_out))
        short = pi_BNE.shape[1] * S - L  # bytes that the last segment lacks
        x_GSD = pad(x_TD.view(-1, L, D), (0, 0, 0, short)).reshape(-1, S, D)
        y_GSD = gelu(x_GSD @ in_GnD.mT) @ out_GDn.mT
        return y_GSD.reshape(-1, L + short, D)[:, :L].reshape(T, D)


def merged(pi_GE: Tensor, weight: Tensor) -> Tensor:
    """The experts' matrices (E, …), averaged for each group -> (G, …)."""
    return (pi_GE @ weight.flatten(1)).unflatten(1, weight.shape[1:])
