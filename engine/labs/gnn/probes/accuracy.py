"""Probe `accuracy`: how many examples are answered rightly."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.capabilities import GraphLab
from engine.labs.gnn.probes._scores import training_score, validation_scores
from engine.labs.probe import Metric, Probe, Reading, Step


class Accuracy(Probe):
    """The share of examples whose class has the largest answer, in the training pass of every step and, every 100 steps, with the
    weights after the step in evaluation mode.  A transfer task counts as solved where the training pass reaches 1, as in the paper.
    Nothing is read of a task that asks for numbers, such as poisson: see rmse."""

    price = "free"
    needs = "graph"
    metrics = (
        Metric("accuracy/train", "share of examples answered rightly in the training pass", share=True, low=0.0, high=1.0),
        Metric("error/train", "share of examples answered wrongly in the training pass", share=True, low=0.0, high=1.0),
        Metric(
            "accuracy/validation",
            "the same of the validation examples in evaluation mode, with the weights after the step",
            share=True,
            low=0.0,
            high=1.0,
        ),
        Metric(
            "accuracy/chance",
            "what always saying the most frequent class of the validation examples would give",
            share=True,
            low=0.0,
            high=1.0,
        ),
    )

    def gradients(self, step: Step[GraphLab]) -> Iterable[Reading]:
        right = training_score(step, "accuracy")
        if right is not None:
            yield Reading("accuracy/train", right)
            yield Reading("error/train", 1.0 - right)

    def after(self, step: Step[GraphLab]) -> Iterable[Reading]:
        scores = validation_scores(step, "accuracy")
        if scores is not None:
            yield Reading("accuracy/validation", scores["accuracy"])
            yield Reading("accuracy/chance", scores["chance"])
