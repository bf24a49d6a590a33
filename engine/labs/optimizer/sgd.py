"""SGD: straight down the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.optimizer import Optimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer as TorchOptimizer


class SGD(Optimizer):
    idea = "Move against the gradient, with a step as long as the gradient is steep; momentum averages over past steps."
    formula = r"b\leftarrow\mu b+g+\lambda w,\quad w\leftarrow w-\eta b"
    paper = "Robbins and Monro 1951, Annals of Mathematical Statistics 22(3)"
    cost = "Nothing without momentum, one extra number per weight with it."
    fails = (
        "By its formula the step is as long as the gradient, so one learning rate serves all layers, and where the loss is steep the "
        "weights move far. At a large rate without a clip its numbers leave the finite ones {shown moe/non_finite}."
    )
    reading = "paper"
    source = "the iteration of Robbins and Monro; the momentum of Polyak 1964, as in torch/optim/sgd.py"

    momentum: float = knob(0.0, "memory of past steps; 0 is plain gradient descent", ge=0.0, le=0.9999)
    weight_decay: float = knob(0.0, "share of the weight added to its gradient", ge=0.0, le=10.0)

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], lr: float) -> TorchOptimizer:
        import torch

        return torch.optim.SGD(list(parameters), lr=lr, momentum=self.momentum, weight_decay=self.weight_decay)
