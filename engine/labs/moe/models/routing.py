"""What a router is given and what it answers: RouteContext beside the tokens, RoutingRecord for the tokens of one batch.

The layer computes with the record and keeps it, detached, for the probes (such as probes/router_entropy.py), which read nothing else.

Shapes: B sequences of L positions, T = B L tokens of the batch, E experts, k experts per token, K iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import Tensor, nn


@dataclass(frozen=True)
class RouteContext:
    """What a router may know beside the tokens.  Whether it trains or is evaluated it knows by itself (`self.training`)."""

    ids_T: Tensor  # the bytes of the text, int64, sequence after sequence
    length: int  # L
    step: int = 0  # optimizer steps that were done before this batch
    attention: Callable[[], Tensor] | None = None  # () -> (B, L, L): the block's attention, mean over its heads; causal, rows sum to 1


@dataclass(frozen=True)
class RoutingRecord:
    """In the answer gradients reach the router through `weights_Tk` and through `losses`; what a layer keeps has no gradient."""

    experts_Tk: Tensor  # chosen experts, int64; -1 in a column that a token does not use
    weights_Tk: Tensor  # combine weights
    probs_TE: Tensor  # what the gate makes of the logits, fp32: softmax rows, or sigmoid values (rows do not sum to 1)
    logits_TE: Tensor | None  # router logits, fp32; None for a router without scores (hash)
    gate: str  # "softmax", "sigmoid" or "hash"
    losses: dict[str, Tensor] = field(default_factory=dict)  # auxiliary losses by name
    ranked_TE: Tensor | None = None  # what the choice was made from (scores, plus bias where there is one); None where the kernel chose
    counts_E: Tensor | None = None  # tokens that chose each expert, dropped ones included, int64; in what a layer keeps never None
    logsumexp_T: Tensor | None = None  # these three from the kernel: of the logits;
    entropy_T: Tensor | None = None  # of the softmax of the logits, in nats;
    margin_T: Tensor | None = None  # best minus second of what the choice was made from
    column_errors_K: Tensor | None = None  # largest relative error of an expert's soft share, before each iteration; None elsewhere

    kept_Tk: Tensor | None = None  # bool: False where a capacity drops the assignment or the column is unused; None: all are kept
    length: int = 0  # L; in what a layer keeps never 0
    soft_TE: Tensor | None = None  # how much of each expert a token is given, where experts are mixed and not chosen

    def kept(self, counts_E: Tensor, length: int) -> RoutingRecord:
        """Without gradients and losses, for the probes."""
        return replace(
            self,
            length=length,
            soft_TE=None if self.soft_TE is None else self.soft_TE.detach(),
            weights_Tk=self.weights_Tk.detach(),
            probs_TE=self.probs_TE.detach(),
            logits_TE=None if self.logits_TE is None else self.logits_TE.detach(),
            losses={},
            counts_E=counts_E,
            logsumexp_T=None,
        )


def routed(model: nn.Module) -> dict[str, nn.Module]:
    """The MoE layers of a model by dotted module name; each keeps its last record in `.record` (None before the first)."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "record")}
