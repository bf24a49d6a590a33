"""Probe `layer_states`: how alike the nodes become layer by layer, and how large states and their gradients are.

Shapes: B examples, N nodes, D width.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from engine.labs.capabilities import GraphLab
from engine.labs.probe import Metric, Probe, Reading, Step


class LayerStates(Probe):
    """The states of the training pass, layer by layer, the input first.

    Dirichlet energy tr(XᵀLX)/|X|² with the normalised Laplacian of the graph before rewiring, so that arms are held against one
    graph: 0 where all nodes say the same up to the root of their degree, the mean over examples.  Variance: over the channels of a
    node, mean over nodes; backward, the variance of the loss's derivative by all states of a layer."""

    price = "cheap"
    every = 10
    needs = "graph"
    metrics = (
        Metric("dirichlet_energy", "normalised Dirichlet energy of the states, by layer", kind="vector"),
        Metric("dirichlet_energy/ratio", "energy of the last layer over that of the first layer", low=0.0),
        Metric("variance/forward", "variance over the channels of a node's state, by layer", kind="vector"),
        Metric("variance/backward", "variance of the derivative of the loss by the states, by layer", kind="vector"),
        Metric("gradient/reach", "root of that variance, first layer over last", low=0.0),
    )

    def prepare(self, step: Step[GraphLab]) -> None:
        step.model.keep = True

    def gradients(self, step: Step[GraphLab]) -> Iterable[Reading]:
        step.model.keep = False
        states, step.model.kept = step.model.kept, []
        if len(states) < 2:
            return
        with torch.no_grad():
            laplacian_NN = normalised_laplacian(step.lab.graphs(rewired=False)[0].adjacency_NN()).to(states[0])
            energy = [dirichlet_energy(h_BND.detach().float(), laplacian_NN) for h_BND in states]
            forward = [h_BND.detach().float().var(-1, unbiased=False).mean() for h_BND in states]
            backward = [h_BND.grad.float().var(unbiased=False) for h_BND in states[1:] if h_BND.grad is not None]
        yield Reading("dirichlet_energy", torch.stack(energy))
        yield Reading("dirichlet_energy/ratio", energy[-1] / energy[1])
        yield Reading("variance/forward", torch.stack(forward))
        if len(backward) == len(states) - 1:
            yield Reading("variance/backward", torch.stack(backward))
            yield Reading("gradient/reach", (backward[0] / backward[-1]).sqrt())


def normalised_laplacian(adjacency_NN: object) -> Tensor:
    """I − D^-1/2 A D^-1/2; a node without edges has a row of zeros."""
    weights_NN = torch.as_tensor(adjacency_NN, dtype=torch.float32)
    degree_N = weights_NN.sum(-1)
    scale_N = torch.where(degree_N > 0, degree_N.clamp_min(1e-30).rsqrt(), 0.0)
    return torch.diag((degree_N > 0).float()) - scale_N[:, None] * weights_NN * scale_N


def dirichlet_energy(h_BND: Tensor, laplacian_NN: Tensor) -> Tensor:
    """tr(XᵀLX)/|X|², mean over examples; an example whose states are all 0 counts as 0."""
    energy_B = (h_BND * (laplacian_NN @ h_BND)).sum((-2, -1))
    size_B = h_BND.square().sum((-2, -1))
    return torch.where(size_B > 0, energy_B / size_B.clamp_min(1e-38), 0.0).clamp_min(0.0).mean()
