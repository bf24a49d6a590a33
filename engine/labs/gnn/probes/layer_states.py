"""Probe `layer_states`: how alike the nodes become layer by layer, and how large states and their gradients are.

Shapes: L layers, B examples, N nodes, D width.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

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

    def __init__(self, lab: GraphLab, model: nn.Module) -> None:
        self.laplacian_NN = normalised_laplacian(lab.graphs(rewired=False)[0].adjacency_NN())

    def prepare(self, step: Step[GraphLab]) -> None:
        step.model.keep = True

    @torch.no_grad()
    def gradients(self, step: Step[GraphLab]) -> Iterable[Reading]:
        step.model.keep = False
        states, step.model.kept = step.model.kept, []
        if len(states) < 2:
            return
        self.laplacian_NN = self.laplacian_NN.to(states[0].device)
        hidden_LBND = torch.stack(states[1:]).float()
        parts = [states[0].float()[None], hidden_LBND]
        energy_L = torch.cat([dirichlet_energy(part, self.laplacian_NN) for part in parts])
        yield Reading("dirichlet_energy", energy_L)
        yield Reading("dirichlet_energy/ratio", energy_L[-1] / energy_L[1])
        yield Reading("variance/forward", torch.cat([part.var(-1, unbiased=False).flatten(1).mean(1) for part in parts]))
        gradients = [h_BND.grad for h_BND in states[1:]]
        if all(gradient is not None for gradient in gradients):
            backward_L = torch.stack(gradients).float().flatten(1).var(1, unbiased=False)  # type: ignore[arg-type]
            yield Reading("variance/backward", backward_L)
            yield Reading("gradient/reach", (backward_L[0] / backward_L[-1]).sqrt())


def normalised_laplacian(adjacency_NN: object) -> Tensor:
    """I − D^-1/2 A D^-1/2; a node without edges has a row of zeros."""
    weights_NN = torch.as_tensor(adjacency_NN, dtype=torch.float32)
    degree_N = weights_NN.sum(-1)
    scale_N = torch.where(degree_N > 0, degree_N.clamp_min(1e-30).rsqrt(), 0.0)
    return torch.diag((degree_N > 0).float()) - scale_N[:, None] * weights_NN * scale_N


def dirichlet_energy(h_LBND: Tensor, laplacian_NN: Tensor) -> Tensor:
    """tr(XᵀLX)/|X|² of each layer, mean over examples: (L, B, N, D) -> (L,); an example whose states are all 0 counts as 0."""
    energy_LB = (h_LBND * (laplacian_NN @ h_LBND)).sum((-2, -1))
    size_LB = h_LBND.square().sum((-2, -1))
    return torch.where(size_LB > 0, energy_LB / size_LB.clamp_min(1e-38), 0.0).clamp_min(0.0).mean(-1)
