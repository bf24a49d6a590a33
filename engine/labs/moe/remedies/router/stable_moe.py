"""Two stages: first the router learns and a small copy learns from it; then the copy routes, frozen, for the rest of the training.

Shapes: T tokens, D width, E experts, V = 256 bytes, H width of the copy's embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, top_k
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice

BYTES = 256


class StableMoE(RouterChoice):
    """Differs: the authors start the experts' centroids orthogonal with gain `0.1` and turn away what exceeds two even shares; here
    they start as every other router of this lab, and turning away is the question capacity.  Their losses are sums over tokens that are
    divided later, which are these means."""

    idea = (
        "In the first stage tokens go greedily to the expert with the largest score, and a small router that sees only the byte learns to "
        "say the same. From then on that copy routes, frozen, so no byte ever changes its expert again. "
        "The gate is still the sigmoid of the full router's score, which goes on learning."
    )
    formula = (
        r"a_t=\arg\max_e s_{te}\ \text{(stage 1)},\ \arg\max_e\hat E_e^\top D[\mathrm{byte}_t]\ \text{(stage 2)};\quad "
        r"y_t=\sigma(s_{ta_t})\,\mathrm{FFN}_{a_t}(x_t);\quad "
        r"L=\alpha\sum_e\tfrac{|A_e|-\bar n}{\bar n}\tfrac1T\sum_{t\in A_e}\sigma(s_{te})"
        r"+\beta\,\mathrm{CE}(\hat s_t,a_t)\ \text{(stage 1)}"
    )
    paper = "StableMoE: Stable Routing Strategy for Mixture of Experts (Dai et al. 2022, arXiv 2204.08396)"
    cost = "In the first stage an embedding of the bytes and a second T by E product per layer; then that product alone."
    fails = (
        "The copy sees the byte and nothing around it: of two equal bytes it can make no difference, by its formula. "
        "What it learned when stage 1 ends stays. As in the authors' code, evaluation routes by the copy in stage 1 too, "
        "when the copy may not yet say what training does."
    )
    reading = "authors' code"
    source = "section 3 of the paper; moe_layer.py of Hunter-DDM/stablemoe"

    stage_1: int = knob(
        30, "steps of the first stage", unit="steps", source="the paper: 6,000 of 60,000", group="remedy", ge=0, le=1_000_000
    )
    balance_weight: float = knob(0.3, "weight of the balance loss, in stage 1", source="the paper: 0.3", group="remedy", ge=0.0, le=10.0)
    distil_weight: float = knob(
        0.3,
        "weight of the loss by which the copy learns, in stage 1",
        source="the released command line: 0.3",
        group="remedy",
        ge=0.0,
        le=10.0,
    )
    copy_width: int = knob(50, "width of the copy's embedding of a byte", unit="units", source="the paper: 50", group="size", ge=1, le=1024)

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> StableMoERouter:
        return StableMoERouter(d, experts, init_factor, self.stage_1, self.balance_weight, self.distil_weight, self.copy_width)


class StableMoERouter(LinearRouter):
    """`weight` is the full router; `bytes_VH` and `copy_EH` are the copy, which gets no gradient outside stage 1."""

    def __init__(
        self,
        d: int,
        experts: int,
        init_factor: float = 1.0,
        stage_1: int = 30,
        balance_weight: float = 0.3,
        distil_weight: float = 0.3,
        copy_width: int = 50,
    ) -> None:
        super().__init__(d, experts, 1, init_factor)
        self.stage_1, self.balance_weight, self.distil_weight = stage_1, balance_weight, distil_weight
        self.bytes_VH = nn.Parameter(torch.empty(BYTES, copy_width))
        self.copy_EH = nn.Parameter(torch.empty(experts, copy_width))
        self.init_std |= {"bytes_VH": 1.0, "copy_EH": copy_width**-0.5}

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        logits_TE = self.logits(x_TD)
        scores_TE = logits_TE.sigmoid()
        learning = self.training and context.step < self.stage_1
        ranked_TE = logits_TE.detach() if learning else self.copied(context.ids_T).detach()
        experts_T1 = top_k(ranked_TE, 1)
        losses = self.losses(scores_TE, experts_T1, context.ids_T) if learning else {}
        return RoutingRecord(experts_T1, scores_TE.gather(1, experts_T1), scores_TE, logits_TE, "sigmoid", losses, ranked_TE)

    def copied(self, ids_T: Tensor) -> Tensor:
        """The copy's scores, (T, E)."""
        with torch.autocast(ids_T.device.type, enabled=False):
            return self.bytes_VH[ids_T] @ self.copy_EH.T

    def losses(self, scores_TE: Tensor, experts_T1: Tensor, ids_T: Tensor) -> dict[str, Tensor]:
        """Balance: the gates of full experts are pushed down and those of idle ones up.  Distil: the copy learns the choices."""
        T, E = scores_TE.shape
        counts_E = torch.bincount(experts_T1.flatten(), minlength=E)
        off_T = (counts_E / (T / E) - 1.0)[experts_T1.squeeze(1)]
        balance = (off_T * scores_TE.gather(1, experts_T1).squeeze(1)).mean()
        distil = cross_entropy(self.copied(ids_T), experts_T1.squeeze(1))
        return {"balance": self.balance_weight * balance, "distil": self.distil_weight * distil}
