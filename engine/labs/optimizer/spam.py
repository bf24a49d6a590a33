"""SPAM: Adam that clips single coordinates when they spike, and forgets its moments now and then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.optimizer import Optimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer as TorchOptimizer


class Spam(Optimizer):
    """Differs: their sparse momentum, off by default, is not built."""

    idea = (
        "A gradient that is far larger than its own average is cut to a multiple of it, one coordinate at a time, before it reaches "
        "the moments; and from time to time the moments begin anew, so that no spike is remembered beyond a reset."
    )
    formula = (
        r"g\leftarrow\mathrm{sign}(g)\sqrt{\theta v}\ \ \text{where}\ g^2>\theta v;\quad m,v\leftarrow 0\ \text{every}\ \Delta T;\quad "
        r"w\leftarrow w-\eta\,s_k\,\frac{\sqrt{1-\beta_2^t}}{1-\beta_1^t}\,\frac{m}{\sqrt v+\epsilon},\quad "
        r"s_k=1-0.99\,\tfrac12\left(1+\cos\tfrac{\pi k}{N+1}\right)"
    )
    paper = "SPAM: Spike-Aware Adam with Momentum Reset (Huang et al. 2025, arXiv 2501.06842) and its authors' code"
    cost = "No number per weight beyond Adam's two; by its formula the step starts near 0 after each reset and grows back from there."
    fails = (
        "The published threshold lets a spike of {cite 70 times the usual size | √5000, the paper's θ} through. What it "
        "changes after a burst of the learning rate stands in the preset burst_spam of the lab moe. A reset "
        "comes with or without a spike: whether a run without spikes loses by it is not tested here."
    )
    reading = "authors' code"
    source = "galore_torch/SPAM.py of TianjinYellow/SPAM-Optimizer"

    beta1: float = knob(0.9, "memory of the averaged gradient", ge=0.0, le=0.9999, source="the paper")
    beta2: float = knob(0.999, "memory of the averaged squared gradient", ge=0.0, le=0.99999, source="the paper")
    eps: float = knob(1e-6, "added to the denominator", ge=0.0, le=1.0, source="the authors' code")
    weight_decay: float = knob(0.0, "share of the weight, times the learning rate, taken off at every step", ge=0.0, le=10.0)
    theta: float = knob(
        5000.0,
        "a coordinate whose square is above this many times its average is cut; 0 cuts none",
        ge=0.0,
        le=1e9,
        source="the paper",
    )
    interval: int = knob(500, "steps between resets of the moments; 0 resets never", unit="steps", ge=0, le=1_000_000, source="the paper")
    reset_warmup: int = knob(150, "steps over which the step grows again after a reset", unit="steps", ge=0, le=100_000, source="the paper")
    quiet: int = knob(
        20,
        "steps after a reset without clipping; the first steps of a run are one fewer",
        unit="steps",
        ge=0,
        le=100_000,
        source="the authors' code",
    )
    restart_bias: bool = knob(
        False,
        "a reset also restarts the bias corrections; else the first step after it is (1 − β₁)/√(1 − β₂) times as long, before its warm-up",
        source="off in the authors' code",
    )

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], lr: float) -> TorchOptimizer:
        from engine.labs.optimizer._spike_aware_adam import SpikeAwareAdam

        return SpikeAwareAdam(
            parameters,
            lr,
            (self.beta1, self.beta2),
            self.eps,
            self.weight_decay,
            theta=self.theta,
            interval=self.interval,
            warmup=self.reset_warmup,
            quiet=self.quiet,
            restart=self.restart_bias,
            as_published=True,
        )
