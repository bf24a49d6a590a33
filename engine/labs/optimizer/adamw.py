"""AdamW: Adam with weight decay taken out of the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.optimizer import Optimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer as TorchOptimizer


class AdamW(Optimizer):
    """Differs: as in torch, the decay is multiplied by the learning rate, where the paper keeps the two apart."""

    idea = "Divide each coordinate's averaged gradient by its own averaged size, so that every weight moves by about the learning rate."
    formula = (
        r"m\leftarrow\beta_1m+(1-\beta_1)g,\quad v\leftarrow\beta_2v+(1-\beta_2)g^2,\quad "
        r"w\leftarrow w-\eta\,(\hat m/(\sqrt{\hat v}+\epsilon)+\lambda w)"
    )
    paper = "Loshchilov and Hutter 2019, arXiv 1711.05101"
    cost = "Two extra numbers per weight."
    fails = (
        "By its formula a gradient k times the usual size adds (1−β₂)k² times the usual to v, which fades by the factor β₂ a step: once m "
        "has forgotten it, the steps stay shorter than usual until v has too. Whether the loss shows it is not tested here."
    )
    reading = "paper"
    source = "Algorithm 2"

    beta1: float = knob(0.9, "memory of the averaged gradient", ge=0.0, le=0.9999, source="the usual value")
    beta2: float = knob(
        0.95, "memory of the averaged squared gradient", ge=0.0, le=0.99999, source="Wortsman et al. 2023, arXiv 2309.14322"
    )
    eps: float = knob(1e-8, "added to the denominator", ge=0.0, le=1.0, source="the usual value")
    weight_decay: float = knob(0.01, "share of the weight, times the learning rate, taken off at every step", ge=0.0, le=10.0)

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], lr: float) -> TorchOptimizer:
        import torch

        named = list(parameters)
        betas = (self.beta1, self.beta2)
        if named and named[0][1].is_cuda:
            from kernels.launch import KERNEL_PATH
            from kernels.spam_adam.spam_adam import KERNEL

            if KERNEL_PATH.runner(KERNEL, named[0][1].device) is not None:
                from engine.labs.optimizer._spike_aware_adam import SpikeAwareAdam

                return SpikeAwareAdam(named, lr, betas, self.eps, self.weight_decay)
        return torch.optim.AdamW(named, lr=lr, betas=betas, eps=self.eps, weight_decay=self.weight_decay)
