"""Layers that pass messages along the edges of one graph, as dense matrix products.

A layer is called with (h (…, N, D), operator) -> (…, N, D'); `operator` is what it makes of the adjacency matrix, once per graph:
(N, N) shared by all examples, or (B, N, N), one each.  On the graphs of this lab, at most a few hundred nodes, a product with a whole
matrix is faster than a gather over edges.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def gcn_operator(adjacency_NN: Tensor) -> Tensor:
    """D̃^-1/2 (A + I) D̃^-1/2 (Kipf & Welling 2017, arXiv 1609.02907, equation 2)."""
    looped_NN = adjacency_NN + torch.eye(adjacency_NN.shape[-1], dtype=adjacency_NN.dtype, device=adjacency_NN.device)
    scale_N = looped_NN.sum(-1).rsqrt()
    return scale_N[..., :, None] * looped_NN * scale_N[..., None, :]


class Layer(nn.Module):
    """Base of the layers: messages of width `d_in` become states of width `d_out`."""

    def operator(self, adjacency_NN: Tensor) -> Tensor:
        return adjacency_NN

    def forward(self, h_BND: Tensor, operator_NN: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} must define forward(h, operator)")


class Gcn(Layer):
    """h' = S h W + b with the operator S of the GCN (Kipf & Welling 2017, equation 8)."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(d_in, d_out)

    def operator(self, adjacency_NN: Tensor) -> Tensor:
        return gcn_operator(adjacency_NN)

    def forward(self, h_BND: Tensor, operator_NN: Tensor) -> Tensor:
        return operator_NN @ (h_BND @ self.linear.weight.T) + self.linear.bias


class Gin(Layer):
    """h' = MLP((1 + ε) h + Σ_neighbours h), ε learned from 0, the MLP of two layers (Xu et al. 2019, arXiv 1810.00826, equation 4.1)."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(1))
        self.first, self.second = nn.Linear(d_in, d_out), nn.Linear(d_out, d_out)

    def forward(self, h_BND: Tensor, operator_NN: Tensor) -> Tensor:
        return self.second(torch.relu(self.first((1.0 + self.eps) * h_BND + operator_NN @ h_BND)))


class Sage(Layer):
    """h' = W₁ h + W₂ mean_neighbours h + b (Hamilton et al. 2017, arXiv 1706.02216, algorithm 1 with the mean); no neighbour gives 0."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.own, self.other = nn.Linear(d_in, d_out), nn.Linear(d_in, d_out, bias=False)

    def operator(self, adjacency_NN: Tensor) -> Tensor:
        degree_N = adjacency_NN.sum(-1, keepdim=True)
        return adjacency_NN / torch.where(degree_N > 0, degree_N, 1.0)

    def forward(self, h_BND: Tensor, operator_NN: Tensor) -> Tensor:
        return self.own(h_BND) + operator_NN @ self.other(h_BND)


LAYERS: dict[str, type[Layer]] = {"gcn": Gcn, "gin": Gin, "sage": Sage}
