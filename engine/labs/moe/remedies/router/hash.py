"""No router at all: a table that is never trained gives each byte its expert.

Shapes: T tokens, E experts, V = 256 bytes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import RouterModule
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice

BYTES = 256


class Hash(RouterChoice):
    """Differs: the paper's clustered tables and its tables over pairs of tokens are not built."""

    idea = (
        "Nothing is learned: a byte always goes to the same expert, which a table says. "
        "The table never moves, so training leaves every expert its bytes: the load is as even as the table makes the bytes' frequencies."
    )
    formula = r"e(t)=\mathrm{table}[\mathrm{byte}_t],\quad y=\mathrm{FFN}_{e(t)}(x_t)"
    paper = "Hash Layers For Large Sparse Models (Roller et al. 2021, arXiv 2106.04426)"
    cost = "Nothing: no matrix product, no parameter."
    fails = (
        "By its formula the load is as uneven as the text, in the balanced table too: all spaces of a source file go to one expert. "
        "Its result has weight 1, where a softmax router multiplies by a probability below 1, "
        "so a difference in loss between the two is not a comparison of routing alone."
    )
    reading = "public code"
    source = "the hash layer of Hunter-DDM/stablemoe (a table by token, weight 1); Clark et al. 2022 (arXiv 2202.01169) compare it as HASH"

    table: Literal["modulo", "random", "balanced"] = knob(
        "modulo",
        "modulo: the byte's number modulo the experts; random: drawn once; balanced: the most frequent bytes of the text first, "
        "each to the expert with the least text so far",
        source="the paper: random and balanced",
        group="remedy",
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> HashRouter:
        if self.table == "random":
            return HashRouter(experts, k=1, table_V=torch.randint(experts, (BYTES,), generator=info.generator("hash table")))
        if self.table == "balanced":
            return HashRouter(experts, k=1, table_V=balanced(byte_counts(), experts))
        return HashRouter(experts, k=1)


def byte_counts() -> list[int]:
    """How often each byte stands in the training text."""
    from engine.labs.moe.datasets.stdlib_text import stdlib_text

    return np.bincount(stdlib_text().train, minlength=BYTES).tolist()


def balanced(counts_V: list[int], experts: int) -> Tensor:
    """Byte -> expert, (V,) int64: by descending count, each to the expert with the least so far, the lowest of equal ones."""
    load_E, table_V = [0] * experts, torch.zeros(len(counts_V), dtype=torch.int64)
    for byte in sorted(range(len(counts_V)), key=lambda byte: (-counts_V[byte], byte)):
        expert = min(range(experts), key=lambda e: (load_E[e], e))
        load_E[expert] += counts_V[byte]
        table_V[byte] = expert
    return table_V


class HashRouter(RouterModule):
    """One expert per token, combine weight 1, no logits.  The table follows from knobs and text, so no checkpoint holds it."""

    def __init__(self, experts: int, k: int, table_V: Tensor | None = None) -> None:
        super().__init__(experts, k)
        self.register_buffer("table_V", torch.arange(BYTES) % experts if table_V is None else table_V, persistent=False)

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        experts_T1 = self.table_V[context.ids_T].unsqueeze(1)
        probs_TE = one_hot(experts_T1.squeeze(1), self.experts).to(torch.float32)
        return RoutingRecord(experts_T1, torch.ones_like(experts_T1, dtype=torch.float32), probs_TE, None, "hash")
