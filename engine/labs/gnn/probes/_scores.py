"""How good the answers of a network are, in the training pass and on the validation examples."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.labs.capabilities import GraphLab
from engine.labs.probe import Step

EVALUATE = 100  # steps between two evaluations


def training_score(step: Step[GraphLab], name: str) -> Tensor | None:
    """Of the training pass; None where the task has no metric of this name, or before the first pass."""
    said = step.model.answer_BC
    return None if said is None else step.lab.scores(said, step.batch["answer"]).get(name)


@torch.no_grad()
def validation_scores(step: Step[GraphLab], name: str) -> Mapping[str, Tensor] | None:
    """All metrics of the task in evaluation mode, with the weights as they are; None where none has this name, and at steps that are
    not due."""
    if (step.number % EVALUATE and not step.last) or training_score(step, name) is None:
        return None
    device = next(step.model.parameters()).device
    modes = [(module, module.training) for module in step.model.modules()]
    step.model.eval()
    try:
        batches = [{key: tensor.to(device) for key, tensor in batch.items()} for batch in step.lab.validation()]
        with step.number_format():
            said = [step.model(batch["x"]) for batch in batches]
    finally:
        for module, mode in modes:
            module.training = mode
    return step.lab.scores(torch.cat(said), torch.cat([batch["answer"] for batch in batches]))
