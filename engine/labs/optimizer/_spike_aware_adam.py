"""Spike-aware Adam as a torch optimizer over the kernel `spam_adam`; with the spike answers off it is AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, pi, sqrt
from typing import Any

import torch
from torch import Tensor, nn

from kernels.spam_adam.spam_adam import Hyper, spam_adam


class SpikeAwareAdam(torch.optim.Optimizer):
    """SPAM (Huang et al. 2025), with the names that torch's AdamW gives its state, so that either takes up the other's checkpoint.

    Updates are counted from 1.  `theta`: a gradient coordinate with g^2 > theta v is clipped to sqrt(theta v); 0 clips nothing.
    `interval`: both moments begin at 0 in every update whose number it divides; 0 resets never.  `warmup`: updates over which the
    step grows again, the one of the reset first.  `quiet`: the first update that clips, and after a reset the first so many updates
    later.  `restart`: a reset also restarts the bias corrections.  `as_published`: eps is added to sqrt(v) before the bias correction
    and the decay acts on the moved weight, as in SPAM's code; else both as in AdamW.
    `clipped`: how many coordinates the last step clipped, on the device.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[str, nn.Parameter]],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        *,
        theta: float = 0.0,
        interval: int = 0,
        warmup: int = 0,
        quiet: int = 0,
        restart: bool = False,
        as_published: bool = False,
    ) -> None:
        self.clipped: Tensor | None = None
        self.spam = {"theta": theta, "interval": interval, "warmup": warmup, "quiet": quiet, "restart": restart}
        self.as_published = as_published
        super().__init__(list(parameters), {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        counts = []
        for group in self.param_groups:
            moving = [p for p in group["params"] if p.grad is not None]
            for p in moving:
                if not self.state[p]:
                    zeros = [torch.zeros_like(p, memory_format=torch.contiguous_format) for _ in range(2)]
                    self.state[p] = {"step": torch.zeros(()), "exp_avg": zeros[0], "exp_avg_sq": zeros[1]}
            if not moving:
                continue
            states = [self.state[p] for p in moving]
            done = int(states[0]["step"])
            gradients = [p.grad for p in moving if p.grad is not None]
            m, v = [s["exp_avg"] for s in states], [s["exp_avg_sq"] for s in states]
            counts.append(spam_adam(moving, gradients, m, v, [], self.hyper(group, done)))
            for state in states:
                state["step"] += 1
        self.clipped = counts[0] if len(counts) == 1 else torch.stack(counts).sum() if counts else None
        return loss

    def hyper(self, group: dict[str, Any], done: int) -> Hyper:
        """The numbers of the update after `done` updates.

        (sqrt(v) + eps) / sqrt(c2) is sqrt(v / c2) + eps / sqrt(c2), and a decay after the step is one before it with a step that is
        shorter by the same share: so the kernel, whose order is AdamW's, takes the published step with other numbers.
        """
        spam, interval, now = self.spam, self.spam["interval"], done + 1
        since = now % interval if interval else now  # updates since the last reset; before the first, the number of this one
        after_reset = interval > 0 and now >= interval
        count = since + 1 if spam["restart"] and after_reset else now
        eps, lr, decay = group["eps"], float(group["lr"]), group["weight_decay"]
        scale = warmed_up(since, spam["warmup"]) if after_reset else 1.0
        if self.as_published:
            eps, scale = eps / sqrt(1.0 - group["betas"][1] ** count), scale * (1.0 - lr * decay)
        return Hyper(
            lr=lr,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            eps=eps,
            decay=decay,
            theta=spam["theta"] if since >= spam["quiet"] else 0.0,
            scale=scale,
            count=count,
            fresh=after_reset and since == 0,
        )


def warmed_up(k: int, steps: int) -> float:
    """Factor of step k after a reset, from 0.01 to 1 along a cosine: 1 - 0.99 (1 + cos(pi k / (N + 1))) / 2 for k < N."""
    return 1.0 - 0.99 * (1.0 + cos(pi * k / (steps + 1))) / 2.0 if k < steps else 1.0
