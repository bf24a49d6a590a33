"""Probe `attention_logit_max`: how far apart queries and keys push the softmax of the attention."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.common.models.attention_tap import AttentionTap
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.lab import Lab

AT_ONCE = 2**24  # logits held in memory at a time


class AttentionLogitMax(Probe):
    """Largest |q·k|/√d of each attention layer over the training batch, at positions that may see each other.

    Beyond about 1e2 the softmax picks single positions, beyond 1e4 training is in danger (Wortsman et al. 2023)."""

    price = "cheap"
    every = 10
    needs = "attention"
    metrics = (Metric("attention_logit_max", "largest |q·k|/√d of a layer, causal part", layered=True),)

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.watching = False
        self.seen: dict[str, Tensor] = {}
        for name, module in model.named_modules():
            if isinstance(module, AttentionTap):
                module.register_forward_hook(self._hook(name.rpartition(".")[0] or name))

    def _hook(self, name: str) -> Any:
        def see(module: nn.Module, inputs: tuple[Tensor, Tensor], output: None) -> None:
            if self.watching:
                with torch.no_grad(), torch.autocast(inputs[0].device.type, enabled=False):
                    self.seen[name] = largest_logit(*inputs)

        return see

    def prepare(self, step: Step) -> None:
        self.watching = True

    def gradients(self, step: Step) -> Iterable[Reading]:
        seen, self.seen, self.watching = self.seen, {}, False
        return [Reading("attention_logit_max", value, name) for name, value in seen.items()]


def largest_logit(q_BHTD: Tensor, k_BHTD: Tensor) -> Tensor:
    """Maximum over batch, heads and causal pairs of |q·k|/√d -> () fp32; NaN where any logit is NaN."""
    B, H, T, D = q_BHTD.shape
    unseen_TT = torch.ones(T, T, dtype=torch.bool, device=q_BHTD.device).triu(1)
    at_once = max(1, AT_ONCE // (H * T * T))
    parts = []
    for at in range(0, B, at_once):
        q, k = q_BHTD[at : at + at_once].detach().float(), k_BHTD[at : at + at_once].detach().float()
        least, most = (q @ k.transpose(-1, -2)).masked_fill_(unseen_TT, 0.0).aminmax()
        parts += [-least, most]
    return torch.stack(parts).amax() / math.sqrt(D)
