"""Probe `layer_states`: how alike the nodes become layer by layer, and how large states and their gradients are.

Shapes: L layers, B examples, N nodes, D width.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from engine.labs.capabilities import GraphLab
from engine.labs.gnn.models.layers import gcn_operator
from engine.labs.probe import Metric, Probe, Reading, Step


class LayerStates(Probe):
    """The states of the training pass, layer by layer, the input first.

    Dirichlet energy tr(Xᵀ(I − S)X)/|X|², with GCN's operator S of the graph that the layers see (Cai and Wang 2020, arXiv 2006.13318,
    definition 2.1): 0 where every node says the same up to the root of its degree and one, which is where repeated averaging ends on
    a connected graph; the mean over examples.  Variance: over the channels of a node, mean over nodes; backward, the variance of
    the loss's derivative by all states of a layer; with precision=fp16 the loss is scaled, and so is this, by the square."""

    price = "cheap"
    every = 10
    needs = "graph"
    metrics = (
        Metric("dirichlet_energy", "normalised Dirichlet energy of the states, by layer", kind="vector"),
        Metric("dirichlet_energy/ratio", "energy of the last layer over that of the first layer", low=0.0),
        Metric("variance/forward", "variance over the channels of a node's state, by layer", kind="vector"),
        Metric("variance/ratio", "variance of the states of the last layer over that of the first layer", low=0.0),
        Metric("variance/backward", "variance of the derivative of the loss by the states, by layer", kind="vector"),
        Metric("gradient/reach", "root of that variance, first layer over last", low=0.0),
    )

    def __init__(self, lab: GraphLab, model: nn.Module) -> None:
        self.smooth_NN = gcn_operator(torch.as_tensor(lab.graphs(rewired=True)[0].adjacency_NN(), dtype=torch.float32))

    def prepare(self, step: Step[GraphLab]) -> None:
        step.model.keep = True

    @torch.no_grad()
    def gradients(self, step: Step[GraphLab]) -> Iterable[Reading]:
        step.model.keep = False
        states, step.model.kept = step.model.kept, []
        if len(states) < 2:
            return
        self.smooth_NN = self.smooth_NN.to(states[0].device)
        hidden_LBND = torch.stack(states[1:]).float()
        parts = [states[0].float()[None], hidden_LBND]
        energy_L = torch.cat([dirichlet_energy(part, self.smooth_NN) for part in parts])
        yield Reading("dirichlet_energy", energy_L)
        yield Reading("dirichlet_energy/ratio", energy_L[-1] / energy_L[1])
        variance_L = torch.cat([part.var(-1, unbiased=False).flatten(1).mean(1) for part in parts])
        yield Reading("variance/forward", variance_L)
        yield Reading("variance/ratio", variance_L[-1] / variance_L[1])
        gradients = [h_BND.grad for h_BND in states[1:]]
        if all(gradient is not None for gradient in gradients):
            backward_L = torch.stack(gradients).float().flatten(1).var(1, unbiased=False)  # type: ignore[arg-type]
            yield Reading("variance/backward", backward_L)
            yield Reading("gradient/reach", (backward_L[0] / backward_L[-1]).sqrt())


def dirichlet_energy(h_LBND: Tensor, smooth_NN: Tensor) -> Tensor:
    """tr(Xᵀ(I − S)X)/|X|² of each layer, mean over examples: (L, B, N, D) -> (L,); an example whose states are all 0 counts as 0."""
    energy_LB = (h_LBND * (h_LBND - smooth_NN @ h_LBND)).sum((-2, -1))
    size_LB = h_LBND.square().sum((-2, -1))
    return torch.where(size_LB > 0, energy_LB / size_LB.clamp_min(1e-38), 0.0).clamp_min(0.0).mean(-1)
