"""Probe: what a router that shares out its batch would do without it, as it does in evaluation."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from engine.labs.moe.models.router_scores import top_k
from engine.labs.moe.models.routing import routed
from engine.labs.probe import Metric, Probe, Reading, Step


class RouterGreedy(Probe):
    """The iterations of `router=sinkhorn`, and the same training batch routed greedily, by the scores alone, as evaluation routes.

    The error of iteration i is measured before it: the first is that of the plain softmax.  Routers that choose alike in training and
    evaluation give no reading."""

    price = "cheap"
    every = 10
    needs = "routing"
    metrics = (
        Metric(
            "router/column_error",
            "largest relative error of an expert's soft share before each iteration; 0 is an equal share for everybody",
            kind="vector",
            layered=True,
        ),
        Metric("router/column_error_last", "the same before the last iteration: what balancing leaves, or less", layered=True, low=0.0),
        Metric(
            "router/greedy_share",
            "share of the step's tokens that evaluation would send to another set of experts",
            layered=True,
            low=0.0,
            high=1.0,
        ),
        Metric("router/greedy_max_violation", "max violation that the step's batch would have if it were routed greedily", layered=True),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        for layer, module in routed(step.model).items():
            record = module.record
            if record.column_errors_K is None:
                continue
            tokens, k = len(record.experts_Tk), module.router.k  # a capacity may have added columns
            greedy_Tk = top_k(record.logits_TE, k)
            counts_E = torch.zeros_like(record.counts_E).index_add_(0, greedy_Tk.flatten(), record.counts_E.new_ones(tokens * k))
            chosen_Tk = record.experts_Tk[:, :k]
            elsewhere_T = (greedy_Tk.sort(dim=1).values != chosen_Tk.sort(dim=1).values).any(dim=1)
            yield Reading("router/column_error", record.column_errors_K, layer)
            yield Reading("router/column_error_last", record.column_errors_K[-1], layer)
            yield Reading("router/greedy_share", elsewhere_T.float().mean(), layer)
            yield Reading("router/greedy_max_violation", counts_E.max() * (len(counts_E) / (tokens * k)) - 1.0, layer)
