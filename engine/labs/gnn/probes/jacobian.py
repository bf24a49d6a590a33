"""Probe `jacobian`: how much the state of the node that is read depends on the features of every other node.

Shapes: N nodes, D features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.labs.capabilities import GraphLab
from engine.labs.common.models.initialise import named_generator
from engine.labs.probe import Metric, Probe, Reading, Step

COTANGENTS = 4
TARGETS = 8  # nodes that are read, at most
MOST_NODES = 300  # of a graph whose nodes are told one by one


class Jacobian(Probe):
    """|∂hᴸ_v/∂x_u|, the Frobenius norm, estimated from four random cotangents of ±1 at each of at most eight nodes v that are read; in
    evaluation mode, for a batch norm in training couples all nodes.  Where no message arrives the estimate is exactly 0.  The cotangents
    are the same in every run, so that two readings differ by the network alone.

    `jacobian/ratio` is `jacobian/target` over the dependence of v on its own features: under batch norm the size of both moves with
    the running statistics, which need a hundred steps to fill, and the ratio hardly does.

    The rank correlations are Spearman's, over the nodes that are heard at all: 1 where every node farther away is heard less."""

    price = "dear"
    every = 50
    needs = "graph"
    metrics = (
        Metric("jacobian/target", "dependence of the read node on the features of the node that knows, mean over pairs", low=0.0),
        Metric("jacobian/ratio", "the same over the read node's dependence on its own features", low=0.0),
        Metric("jacobian/by_distance", "mean dependence on the features of a node, by its distance before rewiring", kind="vector"),
        Metric("jacobian/by_node", "dependence of the first read node on the features of each node, of at most 300", kind="vector"),
        Metric("jacobian/rank_distance", "rank correlation of −log J of that node with distance before rewiring", low=-1.0, high=1.0),
        Metric("jacobian/rank_resistance", "the same with effective resistance before rewiring", low=-1.0, high=1.0),
        Metric("under_reach", "share of pairs whose dependence is exactly 0", low=0.0, high=1.0),
    )

    def after(self, step: Step[GraphLab]) -> Iterable[Reading]:
        from engine.labs.gnn.datasets.distances import distances_NN
        from engine.labs.gnn.datasets.ranks import rank_correlation
        from engine.labs.gnn.datasets.resistance import resistances_NN

        graphs = step.lab.graphs(rewired=False)
        target, ratio, rows = [], [], []
        for example, read, holds in step.lab.pairs()[:TARGETS]:
            row_N = sensitivity(step.lab, step.model, step.batch["x"][example], read)
            target.append(row_N[holds])
            ratio.append(row_N[holds] / row_N[read])
            apart_N = distances_NN(graphs[example])[read]
            rows.append((row_N[: len(apart_N)].cpu().numpy(), apart_N))  # a node that a rewiring brought along has no distance before it
        yield Reading("jacobian/target", torch.stack(target).mean())
        yield Reading("jacobian/ratio", torch.stack(ratio).mean())
        yield Reading("jacobian/by_distance", by_distance(rows))
        if len(rows[0][0]) <= MOST_NODES:
            example, read, _ = step.lab.pairs()[0]
            (row_N, apart_N), resistance_N = rows[0], resistances_NN(graphs[example])[read]
            yield Reading("jacobian/by_node", row_N.tolist())
            yield Reading("jacobian/rank_distance", rank_correlation(row_N, apart_N))
            yield Reading("jacobian/rank_resistance", rank_correlation(row_N, resistance_N))
        yield Reading("under_reach", (torch.stack(target) == 0).float().mean())


def sensitivity(lab: GraphLab, model: torch.nn.Module, x_ND: Tensor, read: int) -> Tensor:
    """-> (N,): the norm of ∂h_read/∂x_u for every node u.

    For a cotangent c of independent ±1, E (cᵀJ)² is the sum of squares of J's columns (Hutchinson 1990): their mean over the draws.
    """
    x_ND = x_ND.detach().clone().requires_grad_()
    with torch.enable_grad():
        last_D = lab.states(model, x_ND)[-1][read]
        draws = named_generator(0, f"jacobian/{read}")
        signs_KD = 2.0 * torch.randint(2, (COTANGENTS, last_D.numel()), generator=draws).to(last_D) - 1.0
        squares = [torch.autograd.grad(last_D, x_ND, sign_D, retain_graph=True)[0].square().sum(-1) for sign_D in signs_KD]
    return torch.stack(squares).mean(0).sqrt()


def by_distance(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Mean over all nodes at distance 0, 1, … of the nodes that are read; nodes without a path count nowhere.

    `rows`: for each read node its sensitivities (N,) and its distances (N,), infinite without a path.
    """
    values, apart = (np.concatenate(part) for part in zip(*rows, strict=True))
    return [float(values[apart == k].mean()) for k in range(int(apart[np.isfinite(apart)].max()) + 1)]
