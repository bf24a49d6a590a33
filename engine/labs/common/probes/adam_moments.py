"""Probe `adam_moments`: whether Adam's memory of the gradient's size still fits the gradient.

Shapes: P parameters that have moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.common.norms import Layers, gradient_norms, norms, statistics, total
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.lab import Lab


@dataclass(frozen=True)
class Moments:
    """What one look at the moments tells; every tensor stays on its device."""

    ratio_P: Tensor  # Euclidean norm of g / max(sqrt(v), eps) of each parameter
    largest: Tensor  # of |m| / (sqrt(v) + eps), bias-corrected
    tiny: Tensor  # coordinates with sqrt(v) <= eps
    nonfinite: Tensor  # in m and v


FULL = 20  # steps between two looks at everything
OUTGROWN = 1.5  # from which growth on a step is looked at
SMALLEST = 1e-38


class AdamMoments(Probe):
    """Staleness of Adam's second moment: root mean square of g / max(√v̂, ε) after the step, g as clipped by its norm, v̂ bias-corrected.

    About 1 while v̂ fits the gradient.  A gradient that outgrows its own past drives it towards its ceiling, √((1−β₂ᵗ)/(1−β₂)): such steps
    were seen 1 to 8 steps before loss spikes (Wortsman et al. 2023, arXiv 2304.13013).  Far below 1, v̂ remembers a spike and the
    weights hardly move.  Coordinates at or below ε are no longer scaled by their own size.  Read of optimizers that keep Adam's two
    moments; an optimizer that clips single coordinates, or sets its moments back, can pass the ceiling.

    Everything is read in every 20th step and in the last.  That alone would miss most warnings of so few steps.  So the staleness of all
    weights is read at every step on CUDA, and on a CPU, where that would cost too much, at every step whose gradient has outgrown its past:
    root mean square, over the tensors, of the norm over the norm's own memory (that of v̂, before clipping) above 1.5.  What it
    misses: gradients that only change places inside a tensor."""

    price = "cheap"
    every = 1
    metrics = (
        Metric("adam/staleness", "root mean square of gradient over root of its second moment, of all weights"),
        Metric("adam/staleness", "root mean square of gradient over root of its second moment, of a layer", layered=True),
        Metric("adam/ceiling", "the largest staleness that one step can have at this β₂ and step number"),
        Metric("adam/largest_update", "largest bias-corrected |m| / (√v + ε) of any weight: the step in units of the learning rate"),
        Metric("adam/tiny_share", "share of the weights whose √v is at or below ε", low=0.0, high=1.0),
        Metric("adam/nonfinite", "non-finite values in both moments", unit="values"),
    )

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        self.layers = Layers(name for name, _ in model.named_parameters())
        self.sizes_P: Tensor = torch.tensor([p.numel() for p in model.parameters()], dtype=torch.float64).sqrt().float()
        self.memory_P: Tensor | None = None  # moving average of the squared norms, as Adam keeps it of the squares
        self.count = 0
        self.outgrown = False

    def gradients(self, step: Step) -> Iterable[Reading]:
        """Nothing to read yet: whether this step's gradient has outgrown its past."""
        beta2 = step.optimizer.param_groups[0].get("betas", (0.0, 0.0))[1]
        if not beta2:
            return ()
        norms_P = gradient_norms(step)
        if norms_P.is_cuda:  # a look at each step costs less there than waiting for an answer
            self.outgrown = True
            return ()
        squares_P = norms_P.square()
        self.count += 1
        self.memory_P = squares_P * (1.0 - beta2) if self.memory_P is None else torch.lerp(squares_P, self.memory_P, beta2)
        ratio = float((squares_P / self.memory_P.clamp_min(SMALLEST)).mean()) * (1.0 - beta2**self.count)
        self.outgrown = not ratio <= OUTGROWN**2  # also where it is no number
        return ()

    def state(self) -> dict[str, Any]:
        return {"count": self.count, "memory_P": self.memory_P}

    def load(self, state: Mapping[str, Any]) -> None:
        self.count, self.memory_P = state.get("count", 0), state.get("memory_P")

    def after(self, step: Step) -> Iterable[Reading]:
        parameters = list(step.model.parameters())
        states = step.optimizer.state
        moving = [i for i, p in enumerate(parameters) if p.grad is not None and "exp_avg_sq" in states.get(p, {})]
        if not moving:
            return
        mine = [parameters[i] for i in moving]
        group = step.optimizer.param_groups[0]  # one group: every lab hands its optimizer a plain list of parameters
        (beta1, beta2), done = group["betas"], int(states[mine[0]]["step"])
        count = step.optimizer.hyper(group, done - 1).count if hasattr(step.optimizer, "hyper") else done
        g, v = [p.grad for p in mine], [states[p]["exp_avg_sq"] for p in mine]
        if step.number % FULL and not step.last:
            if self.outgrown:
                yield Reading("adam/staleness", staleness(g, v, 1 - beta2**count, group["eps"]))
            return
        moments = moment_statistics(g, [states[p]["exp_avg"] for p in mine], v, (1 - beta1**count, 1 - beta2**count, group["eps"]))
        self.sizes_P = self.sizes_P.to(moments.ratio_P.device)
        present_P = torch.zeros_like(self.sizes_P)
        present_P[moving], ratio_P = self.sizes_P[moving], torch.zeros_like(self.sizes_P)
        ratio_P[moving] = moments.ratio_P
        yield Reading("adam/staleness", total(ratio_P) / total(present_P))
        for (layer, ratio), (_, size) in zip(self.layers.norms(ratio_P), self.layers.norms(present_P), strict=True):
            yield Reading("adam/staleness", ratio / size, layer)
        yield Reading("adam/ceiling", ((1 - beta2**count) / (1 - beta2)) ** 0.5)
        yield Reading("adam/largest_update", moments.largest)
        yield Reading("adam/tiny_share", moments.tiny / sum(p.numel() for p in mine))
        yield Reading("adam/nonfinite", moments.nonfinite)


def staleness(g: Sequence[Any], v: Sequence[Tensor], second: float, eps: float) -> Tensor:
    """Root mean square of g / max(√(v / second), ε) over all coordinates -> (): three passes, so that every step can pay for it.

    `second`: the bias correction 1 - β₂ᵗ."""
    inverse = torch._foreach_clamp_min(v, eps * eps * second)
    torch._foreach_rsqrt_(inverse)
    torch._foreach_mul_(inverse, g)
    return total(norms(inverse)) * (second / sum(x.numel() for x in v)) ** 0.5


def moment_statistics(g: Sequence[Any], m: Sequence[Tensor], v: Sequence[Tensor], corrections: tuple[float, float, float]) -> Moments:
    """Five statistics of P tensors: one launch of `tensor_stats` on CUDA, torch's own operations elsewhere."""
    first, second, eps = corrections
    root = torch._foreach_div(v, second)
    torch._foreach_sqrt_(root)
    above = torch._foreach_clamp_min(root, eps)
    ratio = torch._foreach_div(g, above)
    torch._foreach_sub_(above, eps)  # exactly 0 where the root is at or below eps
    torch._foreach_add_(root, eps)
    update = torch._foreach_div(m, root)
    told, P = statistics([*ratio, *update, *above, *m, *v]), len(v)
    if told is not None:
        tiny, nonfinite = told.zeros_P[2 * P : 3 * P].sum(), told.nonfinite_P[3 * P :].sum()
        return Moments(told.norms_P[:P], told.largest_P[P : 2 * P].max() / first, tiny, nonfinite)
    largest = torch.stack(torch._foreach_norm(update, float("inf"))).max()
    tiny = sum(x.numel() for x in above) - torch.stack([x.count_nonzero() for x in above]).sum()
    moments = [*m, *v]
    finite = not moments[0].is_cuda and bool(torch.isfinite(norms(moments)).all())  # looking costs nothing on a CPU
    nonfinite = tiny.new_zeros(()) if finite else torch.stack([torch.count_nonzero(t - t) for t in moments]).sum()
    return Moments(norms(ratio), largest / first, tiny, nonfinite)
