"""The validation loss of a lab: the same batches, in evaluation mode, without a trace in the training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from engine.labs.lab import Lab
from engine.labs.probe import Step


@torch.no_grad()
def validation_loss(lab: Lab, model: nn.Module, step: int, number_format: Callable[[], AbstractContextManager[Any]]) -> Tensor | None:
    """Mean task loss over the lab's validation batches, or None where it has none; a non-finite result counts as infinite.

    Random numbers drawn here come from (`seed`) alone and leave the generators of the training as they were.
    """
    device = next(model.parameters()).device
    losses = []
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(lab.seed)
            for batch in lab.validation():
                there = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
                with number_format():
                    losses.append(lab.loss(model, there, step)["train"].detach().float())
    finally:
        for module, mode in modes:
            module.training = mode
    if not losses:
        return None
    mean = torch.stack(losses).mean()
    return torch.where(torch.isfinite(mean), mean, torch.inf)


def validation_of(step: Step) -> Tensor | None:
    """The validation loss after one step, measured once however many probes ask for it."""
    if "validation" not in step.scratch:
        step.scratch["validation"] = validation_loss(step.lab, step.model, step.number, step.number_format)
    return step.scratch["validation"]
