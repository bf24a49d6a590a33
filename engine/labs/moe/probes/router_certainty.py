"""Probe: how sure the router is of its choices."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from engine.labs.moe.models.routing import routed
from engine.labs.probe import Metric, Probe, Reading, Step


class RouterCertainty(Probe):
    """Entropy of the softmax of a token's logits, and by how much the best expert beats the second.

    A small margin is an unstable choice: a tiny change of the weights, or a coarser number format, sends the token elsewhere.  The
    entropy is that of the softmax also where the gate is a sigmoid; the margin is that of the scores by which the choice was made, a
    bias included.  A router without logits gives no reading, and one that shares out its batch no margin.  On CUDA the kernel that
    routes measures both."""

    price = "cheap"
    every = 10
    needs = "routing"
    metrics = (
        Metric(
            "router/token_entropy",
            "mean entropy of a token's softmax over the experts divided by ln E: 1 is no opinion",
            layered=True,
            low=0.0,
            high=1.0,
        ),
        Metric("router/margin", "median over the tokens of best minus second score", layered=True),
        Metric("router/margin_low", "5th percentile over the tokens of best minus second score", layered=True),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        for layer, module in routed(step.model).items():
            record = module.record
            if record.logits_TE is None:
                continue
            entropy_T, margin_T = record.entropy_T, record.margin_T
            if entropy_T is None:
                probs_TE = record.probs_TE if record.gate == "softmax" else record.logits_TE.softmax(dim=-1)
                entropy_T = torch.special.entr(probs_TE).sum(dim=-1)
            if margin_T is None and record.ranked_TE is not None:
                best_T2 = record.ranked_TE.topk(2, dim=-1).values
                margin_T = best_T2[:, 0] - best_T2[:, 1]
            yield Reading("router/token_entropy", entropy_T.mean() / math.log(record.logits_TE.shape[1]), layer)
            if margin_T is not None:
                ascending_T = margin_T.sort().values  # quantile() refuses more than 16 million
                yield Reading("router/margin", ascending_T[len(ascending_T) // 2], layer)
                yield Reading("router/margin_low", ascending_T[len(ascending_T) // 20], layer)
