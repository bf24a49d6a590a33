"""Probe `accuracy`: how many examples are answered rightly."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from engine.labs.capabilities import GraphLab
from engine.labs.probe import Metric, Probe, Reading, Step

EVALUATE = 100  # steps between two evaluations


class Accuracy(Probe):
    """The share of examples whose class has the largest answer, in the training pass of every step and, every 100 steps, with the
    weights after the step in evaluation mode.  A transfer task counts as solved where the training pass reaches 1, as in the paper."""

    price = "free"
    needs = "graph"
    metrics = (
        Metric("accuracy/train", "share of examples answered rightly in the training pass", low=0.0, high=1.0),
        Metric("error/train", "share of examples answered wrongly in the training pass", low=0.0, high=1.0),
        Metric("accuracy/validation", "the same examples in evaluation mode, with the weights after the step", low=0.0, high=1.0),
    )

    def gradients(self, step: Step[GraphLab]) -> Iterable[Reading]:
        answer_BC = step.model.answer_BC
        if answer_BC is None:
            return
        right = (answer_BC.argmax(-1) == step.batch["answer"]).float().mean()
        yield Reading("accuracy/train", right)
        yield Reading("error/train", 1.0 - right)

    @torch.no_grad()
    def after(self, step: Step[GraphLab]) -> Iterable[Reading]:
        if step.number % EVALUATE and not step.last:
            return
        modes = [(module, module.training) for module in step.model.modules()]
        step.model.eval()
        try:
            with step.number_format():
                answer_BC = step.model(step.batch["x"])
        finally:
            for module, mode in modes:
                module.training = mode
        yield Reading("accuracy/validation", (answer_BC.argmax(-1) == step.batch["answer"]).float().mean())
