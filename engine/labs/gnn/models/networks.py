"""Networks of message-passing layers: plain, residual, and with delayed messages from further away.

Shapes: B examples, N nodes, D width, L layers, K hops.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from engine.labs.gnn.models.layers import Gcn, Layer, gcn_operator
from engine.labs.gnn.models.norms import new_state

MakeLayer = Callable[[int, int], Layer]
MakeNorm = Callable[[int], nn.Module]


class Passing(nn.Module):
    """Base: `states` gives h⁰ to hᴸ, (…, N, D) each, of features (…, N, D); `width` is that of hᴸ."""

    width: int

    def states(self, x_BND: Tensor) -> list[Tensor]:
        raise TypeError(f"{type(self).__name__} must define states(x)")


class Block(nn.Module):
    """One layer and the norm behind it."""

    def __init__(self, layer: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.layer, self.norm = layer, norm


def hold(network: nn.Module, name: str, operator: Tensor | nn.Module) -> None:
    """As an attribute that goes to the network's device, and into no checkpoint."""
    if isinstance(operator, nn.Module):
        network.add_module(name, operator)
    else:
        network.register_buffer(name, operator, persistent=False)


class Stack(Passing):
    """hˡ = relu(norm(layer(hˡ⁻¹))); with `residual`, hˡ = hˡ⁻¹ + relu(norm(layer(hˡ⁻¹))) behind a linear map to the width.

    A norm of the state stands behind the shortcut instead (engine/labs/gnn/models/norms.py).
    `adjacencies`: of each layer, (N, N) or (B, N, N).
    """

    def __init__(
        self, d_in: int, width: int, adjacencies: Sequence[Tensor], make_layer: MakeLayer, make_norm: MakeNorm, residual: bool
    ) -> None:
        super().__init__()
        self.width, self.residual = width, residual
        self.encoder = nn.Linear(d_in, width) if residual else None
        first = width if residual else d_in
        self.blocks = nn.ModuleList(Block(make_layer(width if i else first, width), make_norm(width)) for i in range(len(adjacencies)))
        made: dict[int, Tensor | nn.Module] = {}  # layers on the same graph share what they make of it
        for i, (block, adjacency_NN) in enumerate(zip(self.blocks, adjacencies, strict=True)):
            if id(adjacency_NN) not in made:
                made[id(adjacency_NN)] = block.layer.operator(adjacency_NN)
            hold(self, f"operator_{i}", made[id(adjacency_NN)])

    def states(self, x_BND: Tensor) -> list[Tensor]:
        out = [x_BND if self.encoder is None else self.encoder(x_BND)]
        for i, block in enumerate(self.blocks):
            message_BND = block.layer(out[-1], getattr(self, f"operator_{i}"))
            out.append(new_state(block.norm, message_BND, out[-1] if self.residual else None))
        return out


class Hops(nn.Module):
    """The convolutions of one layer of DRew, one for each distance at which anybody has a neighbour, with weights of their own."""

    def __init__(self, width: int, distances: Iterable[int]) -> None:
        super().__init__()
        self.at_distance = nn.ModuleDict({str(k): Gcn(width, width) for k in distances})


class Delayed(Passing):
    """hᵗ⁺¹ = hᵗ + relu(norm(Σ_k Ŝ_k hᵗ⁻ᵐᵃˣ⁽ᵏ⁻ᵛ'⁰⁾ W_k,t + b_k,t)) (Gutteridge et al. 2023, arXiv 2305.08018, equations 5 and 7).

    `hops_NN`: distances between nodes in edges, infinite where there is no path.  `delay` ν: a message from distance k waits
    max(k − ν, 0) layers; None waits never.  Ŝ_k is the GCN operator of the graph of exact k-hop neighbours, with self loops, as in
    the authors' code (lrgb/graphgps/stage/drew_gnn.py); where no two nodes are k edges apart there is no convolution for k.
    """

    def __init__(self, d_in: int, width: int, layers: int, hops_NN: Tensor, delay: int | None, make_norm: MakeNorm) -> None:
        super().__init__()
        self.width, self.delay = width, delay
        self.encoder = nn.Linear(d_in, width)
        apart = [k for k in range(1, layers + 1) if bool((hops_NN == k).any())]
        self.blocks = nn.ModuleList(Block(Hops(width, [k for k in apart if k <= t + 1]), make_norm(width)) for t in range(layers))
        exact_KNN = torch.stack([(hops_NN == k).to(torch.get_default_dtype()) for k in range(1, layers + 1)])
        self.register_buffer("operator_KNN", gcn_operator(exact_KNN), persistent=False)

    def reads(self, t: int) -> list[tuple[int, int]]:
        """Which state layer t reads at each distance: (k, index of the state)."""
        wait = [0 if self.delay is None else max(k - self.delay, 0) for k in range(1, t + 2)]
        return [(k, t - w) for k, w in zip(range(1, t + 2), wait, strict=True)]

    def states(self, x_BND: Tensor) -> list[Tensor]:
        out = [self.encoder(x_BND)]
        for t, block in enumerate(self.blocks):
            convolutions = block.layer.at_distance
            messages = [convolutions[str(k)](out[s], self.operator_KNN[k - 1]) for k, s in self.reads(t) if str(k) in convolutions]
            out.append(new_state(block.norm, functools.reduce(torch.add, messages) if messages else torch.zeros_like(out[-1]), out[-1]))
        return out


class GraphNetwork(nn.Module):
    """Message passing, and a linear map of the last states of the nodes that are read: (B, N, D) -> (B, answers), or (B, R, answers).

    `encoding`: called with a sign for each eigenvector, or None, it gives what is set beside the features of each node, (N, P).
    `read`: () the node whose state is read in every example, or (R,) several; None: the maximum over all nodes.  `answer_BC`: what the
    last forward pass in training said, detached; (B, R, C) where several are read.  `keep`: the next forward passes leave their states
    in `kept`, where they hold their gradients after the backward pass.
    """

    answer_BC: Tensor | None = None
    keep = False

    def __init__(self, passing: Passing, answers: int, read: Tensor | None, encoding: nn.Module | None = None) -> None:
        super().__init__()
        self.encoding, self.passing = encoding, passing
        self.kept: list[Tensor] = []
        self.head = nn.Linear(passing.width, answers)
        self.register_buffer("read", read, persistent=False)

    def encoded(self, x_BND: Tensor, sign_K: Tensor | None = None) -> Tensor:
        """The features, and beside them the positional encoding if there is one."""
        if self.encoding is None:
            return x_BND
        place_NP = self.encoding(None if sign_K is None else sign_K.to(x_BND, non_blocking=True))
        return torch.cat([x_BND, place_NP.expand(*x_BND.shape[:-1], -1)], -1)

    def forward(self, x_BND: Tensor, sign_K: Tensor | None = None) -> Tensor:
        states = self.passing.states(self.encoded(x_BND, sign_K))
        if self.keep:
            self.kept = states
            for h_BND in states:
                if h_BND.requires_grad:
                    h_BND.retain_grad()
        said_BC = self.head(states[-1].amax(1) if self.read is None else states[-1][:, self.read])
        if self.training:
            self.answer_BC = said_BC.detach()
        return said_BC
