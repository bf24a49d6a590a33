"""What tells a network where in the graph a node is: numbers for each node, made of eigenvectors of the Laplacian.

Shapes: N nodes, K eigenpairs, M functions of the eigenvalues, C channels within, P channels of the encoding.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from engine.labs.gnn.datasets.eigenpairs import Eigenpairs
from engine.labs.gnn.models.networks import MakeLayer, hold

OF_EACH = 4  # channels of φ for each eigenvector: phi in construct_model of src/model.py of Graph-COM/SPE


class Encoding(nn.Module):
    """Base: called, it gives (N, P), the same for all examples; `channels` is P.

    `given`: the eigenpairs of the graph that the layers see, as many as the encoding takes; they go into no checkpoint.
    """

    values_K: Tensor
    vectors_NK: Tensor

    def __init__(self, given: Eigenpairs, channels: int) -> None:
        super().__init__()
        self.channels = channels
        for name, array in (("values_K", given.values_K), ("vectors_NK", given.vectors_NK)):
            self.register_buffer(name, torch.from_numpy(array).to(torch.get_default_dtype()), persistent=False)

    def forward(self, sign_K: Tensor | None = None) -> Tensor:
        """With the eigenvectors as they are, or each times its sign (K,) of ±1."""
        return self.encode(self.values_K, self.vectors_NK if sign_K is None else self.vectors_NK * sign_K)

    def encode(self, values_K: Tensor, vectors_NK: Tensor) -> Tensor:
        """(N, P) of these eigenpairs."""
        raise TypeError(f"{type(self).__name__} must define encode(values, vectors)")


class Eigenvectors(Encoding):
    """The entries of the eigenvectors themselves."""

    def __init__(self, given: Eigenpairs) -> None:
        super().__init__(given, len(given.values_K))

    def encode(self, values_K: Tensor, vectors_NK: Tensor) -> Tensor:
        return vectors_NK


class Gins(nn.Module):
    """GIN layers one behind the other over the edges of one graph: (…, N, C) -> (…, N, C')."""

    def __init__(self, widths: list[int], adjacency_NN: Tensor, make_layer: MakeLayer) -> None:
        super().__init__()
        self.layers = nn.ModuleList(make_layer(d_in, d_out) for d_in, d_out in itertools.pairwise(widths))
        hold(self, "operator", self.layers[0].operator(adjacency_NN))

    def forward(self, h_BNC: Tensor) -> Tensor:
        for layer in self.layers:
            h_BNC = layer(h_BNC, self.operator)
        return h_BNC


class SignInvariant(Encoding):
    """ρ([φ(v_k) + φ(−v_k)]_k): φ a GIN on one eigenvector, the same for all, ρ an MLP on all K of them, node by node (SignNet)."""

    def __init__(self, given: Eigenpairs, channels: int, width: int, depth: int, adjacency_NN: Tensor, make_layer: MakeLayer) -> None:
        super().__init__(given, channels)
        self.phi = Gins([1, *[width] * (depth - 1), OF_EACH], adjacency_NN, make_layer)
        self.rho = nn.Sequential(nn.Linear(OF_EACH * len(given.values_K), width), nn.ReLU(), nn.Linear(width, channels))

    def encode(self, values_K: Tensor, vectors_NK: Tensor) -> Tensor:
        vector_KN1 = vectors_NK.T[..., None]
        even_KNC = self.phi(vector_KN1) + self.phi(-vector_KN1)
        return self.rho(even_KNC.movedim(0, 1).flatten(1))


class Stable(Encoding):
    """ρ(V diag(φ₁(λ)) Vᵀ, …, V diag(φ_M(λ)) Vᵀ): φ an MLP on one eigenvalue, ρ a GIN on every slice W[:, j, :], summed over j (SPE)."""

    def __init__(
        self, given: Eigenpairs, channels: int, functions: int, width: int, depth: int, adjacency_NN: Tensor, make_layer: MakeLayer
    ) -> None:
        super().__init__(given, channels)
        self.phi = nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Linear(width, functions))
        self.rho = Gins([functions, *[width] * (depth - 1), channels], adjacency_NN, make_layer)

    def encode(self, values_K: Tensor, vectors_NK: Tensor) -> Tensor:
        scale_KM = self.phi(1.0 - values_K[:, None])  # of an eigenvalue of D^-1/2 A D^-1/2, between −1 and 1
        slices_NNM = torch.einsum("ik,km,jk->jim", vectors_NK, scale_KM, vectors_NK)
        return self.rho(slices_NNM).sum(0)
