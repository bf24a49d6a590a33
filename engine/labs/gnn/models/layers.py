"""Layers that pass messages along the edges of one graph, as products with a whole matrix.

A layer is called with (h (…, N, D), operator) -> (…, N, D'); `operator` is what it makes of the adjacency matrix, once per graph:
(N, N) shared by all examples, or (B, N, N), one each.  Entry (v, u) is the weight of the edge over which v hears of u.  On graphs of
a few hundred nodes a product with the whole matrix is faster than a gather over edges; csr_layers.py and pyg_layers.py compute the
same from lists of edges, with the same parameters.

Shapes: N nodes, D width, H heads, C channels of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def gcn_operator(adjacency_NN: Tensor) -> Tensor:
    """D̃^-1/2 (A + I) D̃^-1/2 (Kipf & Welling 2017, arXiv 1609.02907, equation 2); a node that has a self loop keeps it and gets no other."""
    missing_N = (adjacency_NN.diagonal(dim1=-2, dim2=-1) == 0).to(adjacency_NN)
    looped_NN = adjacency_NN + torch.diag_embed(missing_N)
    scale_N = looped_NN.sum(-1).rsqrt()
    return scale_N[..., :, None] * looped_NN * scale_N[..., None, :]


class Layer(nn.Module):
    """Base of the layers: messages of width `d_in` become states of width `d_out`."""

    def operator(self, adjacency_NN: Tensor) -> Tensor | nn.Module:
        """What `forward` takes of a graph: a matrix, or a module without parameters that holds the edges in another form."""
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


class Gat(Layer):
    """h'_v = Σ_u α_vu W h_u + b over the neighbours u of v and v itself, in four heads that are set side by side.

    α_vu = softmax over u of LeakyReLU(a·W h_v + a'·W h_u), its slope 0.2 below 0; W, a and a' are each head's own (Veličković et al.
    2018, arXiv 1710.10903, equations 3 to 5).  As in PyG's GATConv the bias is added behind the heads, and the weights of edges are
    not looked at.  ValueError for a `d_out` that four heads cannot share.
    """

    heads = 4
    slope = 0.2

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        if d_out % self.heads:
            raise ValueError(f"width={d_out} cannot be shared by the {self.heads} heads of layer=gat; give a multiple of {self.heads}.")
        self.linear = nn.Linear(d_in, d_out)
        self.own, self.other = (nn.Parameter(torch.zeros(self.heads, d_out // self.heads)) for _ in range(2))

    def operator(self, adjacency_NN: Tensor) -> Tensor | nn.Module:
        """(N, N) bool: who is heard, everybody by himself too."""
        return (adjacency_NN != 0) | torch.eye(adjacency_NN.shape[-1], dtype=torch.bool, device=adjacency_NN.device)

    def forward(self, h_BND: Tensor, operator_NN: Tensor) -> Tensor:
        sent_BHNC = (h_BND @ self.linear.weight.T).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
        own_BHN, other_BHN = (torch.einsum("...hnc,hc->...hn", sent_BHNC, part) for part in (self.own, self.other))
        score_BHNN = nn.functional.leaky_relu(own_BHN[..., :, None] + other_BHN[..., None, :], self.slope)
        share_BHNN = score_BHNN.masked_fill(~operator_NN[..., None, :, :], -torch.inf).softmax(-1)
        return (share_BHNN @ sent_BHNC).transpose(-3, -2).flatten(-2) + self.linear.bias


class GatedGcn(Layer):
    """h'_v = U h_v + Σ_neighbours σ(A h_v + B h_u) ⊙ V h_u, all four maps with a bias (Bresson & Laurent 2017, arXiv 1711.07553).

    It is PyG's ResGatedGraphConv: the paper's relu and its shortcut are the network's, and the gates are neither divided by their sum
    nor told of features of edges, as later versions of the layer are.  The weights of edges are not looked at.  A product with all
    pairs of nodes takes N·N·D numbers for each example.
    """

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.own, self.other, self.gate_own, self.gate_other = (nn.Linear(d_in, d_out) for _ in range(4))

    def operator(self, adjacency_NN: Tensor) -> Tensor | nn.Module:
        """(N, N) of 0 and 1: who is heard."""
        return (adjacency_NN != 0).to(adjacency_NN)

    def forward(self, h_BND: Tensor, operator_NN: Tensor) -> Tensor:
        gate_BNND = torch.sigmoid(self.gate_own(h_BND)[..., :, None, :] + self.gate_other(h_BND)[..., None, :, :])
        message_BNND = gate_BNND * self.other(h_BND)[..., None, :, :]
        return self.own(h_BND) + (operator_NN[..., None, :] @ message_BNND).squeeze(-2)


LAYERS: dict[str, type[Layer]] = {"gcn": Gcn, "gin": Gin, "sage": Sage, "gat": Gat, "gated_gcn": GatedGcn}
