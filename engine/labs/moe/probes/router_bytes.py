"""Probe `router_bytes`: which bytes each expert receives.

Shapes: T tokens, k experts per token, E experts, V = 256 bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.common.heat_map import Block, heat_map
from engine.labs.common.validation import validation_of
from engine.labs.moe._byte_names import KIND_NAMES, kind_of
from engine.labs.moe.models.routing import RouteContext, routed
from engine.labs.probe import Metric, Probe, Reading, Step
from engine.runs.pictures import Picture

if TYPE_CHECKING:
    from torch import Tensor, nn

BYTES = 256
FEW = 30  # tokens, below which an expert's diet says little: a share of 0.25 is then uncertain by 0.08
MOST_LAYERS = 6  # in one picture, evenly spaced
SAYS = (
    "A column is an expert, its colours the kinds of bytes it received on the validation text; at the left is the whole text, "
    f"which chance would give. Faded: fewer than {FEW} tokens; no column: none."
)


class RouterBytes(Probe):
    """How often each of the 256 bytes of the validation text goes to each expert, per layer, and how much of the choice the byte decides.

    `router/byte_information` is I(byte; expert) / H(expert): 0 when an expert's bytes are those of the whole text, 1 when the byte alone
    decides, as with hash routing; NaN when one expert gets everything, for then there is no choice.  A finite sample shows some of it by
    chance: `router/byte_information_noise` is the same number with the bytes shuffled among the tokens (cf. Xue et al. 2024, "OpenMoE",
    which calls this context-independent specialisation).  It looks while the validation loss is measured and adds
    no pass of its own.
    """

    price = "cheap"
    every = 100
    needs = "byte_routing"
    metrics = (
        Metric(
            "router/bytes",
            "assignments of each byte to each expert on the validation text; shape (experts, 256)",
            unit="assignments",
            kind="vector",
            layered=True,
        ),
        Metric("router/byte_information", "share of the choice of expert that the byte alone decides", layered=True, low=0.0, high=1.0),
        Metric("router/byte_information_noise", "the same number with the bytes shuffled: what chance alone shows", layered=True),
    )

    def __init__(self, lab: Any, model: nn.Module) -> None:
        self.seen: dict[str, Seen] = {}
        self.hooks: list[Any] = []
        self.order_T: dict[int, Tensor] = {}  # number of tokens -> one fixed shuffle

    def prepare(self, step: Step) -> None:
        self.seen = {}
        self.hooks = [layer.router.register_forward_hook(self._hook(name)) for name, layer in routed(step.model).items()]

    def _hook(self, name: str) -> Callable[..., None]:
        def see(router: nn.Module, inputs: tuple[Tensor, RouteContext], routing: Any) -> None:
            if not router.training:  # a pass of the validation
                ids_T = inputs[1].ids_T
                seen = self.seen.setdefault(name, Seen(router.experts, ids_T.device))
                seen.add(ids_T, routing.experts_Tk, self._shuffle(len(ids_T)).to(ids_T.device))

        return see

    def _shuffle(self, tokens: int) -> Tensor:
        if tokens not in self.order_T:
            self.order_T[tokens] = torch.randperm(tokens, generator=torch.Generator().manual_seed(0))
        return self.order_T[tokens]

    def after(self, step: Step) -> Iterable[Reading | Picture]:
        try:
            validation_of(step)
        finally:
            for hook in self.hooks:
                hook.remove()
        seen, self.seen, self.hooks = self.seen, {}, []
        for layer, one in seen.items():
            yield Reading("router/bytes", one.counts_EV, layer)
            yield Reading("router/byte_information", information(one.counts_EV), layer)
            yield Reading("router/byte_information_noise", information(one.shuffled_EV), layer)
        if seen:
            drawn = list(seen)[:: math.ceil(len(seen) / MOST_LAYERS)]
            yield Picture("bytes_per_expert", picture({layer: seen[layer].counts_EV for layer in drawn}), SAYS)


class Seen:
    """Assignments of one layer, counted over the validation batches: of the bytes as they are, and shuffled among the tokens."""

    def __init__(self, experts: int, device: torch.device) -> None:
        self.counts_EV = torch.zeros(experts, BYTES, dtype=torch.int64, device=device)
        self.shuffled_EV = torch.zeros_like(self.counts_EV)

    def add(self, ids_T: Tensor, experts_Tk: Tensor, order_T: Tensor) -> None:
        for counts_EV, bytes_T in ((self.counts_EV, ids_T), (self.shuffled_EV, ids_T[order_T])):
            pairs_Tk = experts_Tk * BYTES + bytes_T.unsqueeze(1)
            used_A = pairs_Tk[experts_Tk >= 0]
            counts_EV += torch.bincount(used_A, minlength=counts_EV.numel()).view_as(counts_EV)


def information(counts_EV: Tensor) -> Tensor:
    """I(byte; expert) / H(expert) of a table of counts -> () fp64; NaN where H(expert) is 0."""
    joint_EV = counts_EV.double() / counts_EV.sum()

    def entropy(p: Tensor) -> Tensor:
        return -torch.xlogy(p, p).sum()

    experts, bytes_, both = entropy(joint_EV.sum(dim=1)), entropy(joint_EV.sum(dim=0)), entropy(joint_EV)
    return (experts + bytes_ - both) / experts


def picture(counts: dict[str, Tensor]) -> Tensor:
    """Layer -> counts (E, V), as a heat map of kinds of bytes by experts -> uint8 (H, W, 4)."""
    kinds_V = torch.tensor([kind_of(byte) for byte in range(BYTES)])
    blocks = []
    for layer, counts_EV in counts.items():
        kinds_EK = torch.zeros(len(counts_EV), len(KIND_NAMES), dtype=torch.float64)
        kinds_EK.index_add_(1, kinds_V, counts_EV.cpu().double())
        columns_CK = torch.cat([kinds_EK.sum(dim=0, keepdim=True), kinds_EK])  # the whole text first
        total_C1 = columns_CK.sum(dim=1, keepdim=True)
        experts = range(len(counts_EV))
        every = max(1, len(experts) // 8)
        marks = ["text", *(str(expert) if expert % every == 0 and expert else "" for expert in experts)]
        faint = (total_C1.squeeze(1) < FEW).tolist()
        blocks.append(Block(f"{layer}, by expert", (columns_CK / total_C1).T.numpy(), marks, faint, apart=1))
    return torch.from_numpy(heat_map(blocks, KIND_NAMES).copy())
