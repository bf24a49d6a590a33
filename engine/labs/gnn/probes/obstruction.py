"""Probe `obstruction`: how much less two nodes hear of each other than of themselves, over all layers.

Shapes: L layers, N nodes, D width, K cotangents.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from engine.labs.capabilities import GraphLab, MessagePassing
from engine.labs.common.models.initialise import named_generator
from engine.labs.probe import Metric, Probe, Reading, Step

COTANGENTS = 2
TARGETS = 4  # pairs, at most
DISTANCES = 16  # at which one node each is asked, at most


class Obstruction(Probe):
    """Symmetric obstruction between nodes v and u (Di Giovanni et al. 2023, arXiv 2302.02941, section 5, in our reading): the sum over
    layers k from 0 to L of the size of

    (1/d_v) ∂h_v/∂h_vᵏ − (d_v d_u)^-½ ∂h_v/∂h_uᵏ + (1/d_u) ∂h_u/∂h_uᵏ − (d_v d_u)^-½ ∂h_u/∂h_vᵏ,

    h being the states of the last layer.  By the paper's theorem it grows with the commute time of the two.  Our reading: a degree
    counts the self loop, as GCN's operator does; a size is the Frobenius norm over the root of the width. With these the terms of a
    linear GCN whose weights are identities sum up to the effective resistance, as its layers grow.

    In evaluation mode, of the graph that the layers see; the norm is estimated from two random cotangents of ±1 per node, the same in
    every run.  `obstruction/by_distance`: between the node that is read first and the first node at each distance before rewiring, for at
    most 16 distances from 1 on."""

    price = "dear"
    every = 50
    needs = "graph"
    metrics = (
        Metric("obstruction/target", "obstruction between the node that is read and the one that knows, mean over pairs", low=0.0),
        Metric("obstruction/by_distance", "obstruction between the read node and one at each distance from 1 on", kind="vector"),
    )

    def after(self, step: Step[GraphLab]) -> Iterable[Reading]:
        from engine.labs.gnn.datasets.distances import distances_NN

        given, rewired = step.lab.graphs(rewired=False), step.lab.graphs(rewired=True)
        modes = [(module, module.training) for module in step.model.modules()]
        step.model.eval()
        targets, by_distance = [], torch.empty(0)
        try:
            for example, read, holds in step.lab.pairs()[:TARGETS]:
                others = [holds] if targets else [holds, *one_at_each_distance(distances_NN(given[example])[read])]
                degree_N = loop_degrees_N(rewired[example].adjacency_NN())
                found = obstruction(step.model.passing, step.model.encoded(step.batch["x"][example]), degree_N, read, others)
                targets.append(found[0])
                by_distance = by_distance if len(targets) > 1 else found[1:]
        finally:
            for module, mode in modes:
                module.training = mode
        yield Reading("obstruction/target", torch.stack(targets).mean())
        if len(by_distance):
            yield Reading("obstruction/by_distance", by_distance)


def one_at_each_distance(apart_N: np.ndarray) -> list[int]:
    """The first node at distance 1, 2, …, at most 16 of them; `apart_N` is infinite where there is no path."""
    farthest = int(apart_N[np.isfinite(apart_N)].max())
    return [int(np.flatnonzero(apart_N == k)[0]) for k in range(1, 1 + min(DISTANCES, farthest))]


def loop_degrees_N(adjacency_NN: np.ndarray) -> Tensor:
    """(N,) weights of the edges of each node, and 1 for itself."""
    return torch.from_numpy(adjacency_NN.sum(axis=1) + 1.0)


def obstruction(
    passing: MessagePassing, x_ND: Tensor, degree_N: Tensor, read: int, others: Sequence[int], cotangents_KD: Tensor | None = None
) -> Tensor:
    """-> (len(others),): between `read` and each of the others, in one example with features `x_ND`, their encoding
    included.

    `cotangents_KD`: over them the square of cᵀJ is averaged, whose expectation for independent ±1 is |J|² (Hutchinson 1990); with the
    rows of √D times an orthogonal matrix the mean is |J|² exactly.  Two random ones where none are given.
    """
    x_BND = x_ND.detach().clone()[None].requires_grad_()
    with torch.enable_grad():
        states = passing.states(x_BND)
        last_ND = states[-1][0]
        width = last_ND.shape[-1]
        if cotangents_KD is None:
            draws = named_generator(0, f"obstruction/{read}")
            cotangents_KD = 2.0 * torch.randint(2, (COTANGENTS, width), generator=draws).to(last_ND) - 1.0

        def heard(node: int) -> list[list[Tensor]]:
            """What the node hears of the states of each layer: K times L + 1 of (1, N, D)."""
            return [list(torch.autograd.grad(last_ND[node], states, sign_D, retain_graph=True)) for sign_D in cotangents_KD]

        by_read, degree_N = heard(read), degree_N.to(last_ND)
        return torch.stack([_size(by_read, heard(other), degree_N, read, other, width) for other in others])


def _size(by_v: list[list[Tensor]], by_u: list[list[Tensor]], degree_N: Tensor, v: int, u: int, width: int) -> Tensor:
    """The sum over layers of the root of the mean square, by the derivatives that two nodes have."""
    across = (degree_N[v] * degree_N[u]).rsqrt()
    squares_KL = [
        [
            (at_v[0, v] / degree_N[v] - across * at_v[0, u] + at_u[0, u] / degree_N[u] - across * at_u[0, v]).square().sum()
            for at_v, at_u in zip(of_v, of_u, strict=True)
        ]
        for of_v, of_u in zip(by_v, by_u, strict=True)
    ]
    return (torch.stack([torch.stack(squares_L) for squares_L in squares_KL]).mean(0) / width).sqrt().sum()
