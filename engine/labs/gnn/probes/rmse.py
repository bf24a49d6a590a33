"""Probe `rmse`: how far the numbers that a network says are from those it should say."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.capabilities import GraphLab
from engine.labs.gnn.probes._scores import training_score, validation_scores
from engine.labs.probe import Metric, Probe, Reading, Step


class RootMeanSquareError(Probe):
    """The root of the mean square error over examples and nodes, in the training pass of every step and, every 100 steps, with the weights
    after the step in evaluation mode on the validation examples.  Answers are less their mean and over their standard deviation of the
    training examples, so a network that always says their mean has an error of 1 on these.  Nothing is read of a task that asks for
    classes: see accuracy."""

    price = "free"
    needs = "graph"
    metrics = (
        Metric("rmse/train", "root mean square error of the training pass, in standard deviations of the answers", low=0.0),
        Metric("rmse/validation", "the same of the validation examples in evaluation mode, with the weights after the step", low=0.0),
    )

    def gradients(self, step: Step[GraphLab]) -> Iterable[Reading]:
        error = training_score(step, "rmse")
        if error is not None:
            yield Reading("rmse/train", error)

    def after(self, step: Step[GraphLab]) -> Iterable[Reading]:
        scores = validation_scores(step, "rmse")
        if scores is not None:
            yield Reading("rmse/validation", scores["rmse"])
