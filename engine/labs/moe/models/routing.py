"""RoutingRecord: what one MoE layer did with one training batch.  Every routing probe reads only this.

Shapes: T tokens of the batch, E experts, k experts per token, K iterations.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class RoutingRecord:
    """Detached tensors of the last training forward pass of a layer."""

    probs_TE: Tensor  # what the gate makes of the logits, fp32: softmax rows, or sigmoid values (rows do not sum to 1)
    logits_TE: Tensor | None  # router logits, fp32; None for a router without scores (hash)
    experts_Tk: Tensor  # chosen experts, int64
    weights_Tk: Tensor  # combine weights
    counts_E: Tensor  # assignments received by each expert, int64, sum = T k
    gate: str  # "softmax", "sigmoid" or "hash"
    ranked_TE: Tensor | None = None  # what the choice was made from (scores, plus bias where there is one); None where the kernel chose
    entropy_T: Tensor | None = None  # from the kernel: entropy of the softmax of the logits, in nats
    margin_T: Tensor | None = None  # from the kernel: best minus second of what the choice was made from
    column_errors_K: Tensor | None = None  # largest relative error of an expert's soft share, before each iteration; None elsewhere


def routed(model: nn.Module) -> dict[str, nn.Module]:
    """The MoE layers of a model by dotted module name; each keeps its last record in `.record` (None before the first)."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "record")}
