"""The layers as PyTorch Geometric computes them, over a list of edges: its own modules, with the parameters of layers.py.

This file alone imports PyG, which takes about a second: a worker that needs it imports this file, and the fork server does when it has
nothing else to do.

Shapes: B examples, N nodes, D width, E directed edges.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch_geometric.nn import GATConv, GCNConv, GINConv, MessagePassing, ResGatedGraphConv, SAGEConv  # noqa: TID251

from engine.labs.gnn.models.layers import Gat, GatedGcn, Gcn, Gin, Layer, Sage


class Edges(nn.Module):
    """The edges of an adjacency matrix (N, N), or of one for each example (B, N, N), as PyG lists them: senders, then receivers."""

    edge_2E: Tensor
    weight_E: Tensor

    def __init__(self, adjacency_NN: Tensor) -> None:
        super().__init__()
        self.nodes = adjacency_NN.shape[-1]
        self.examples = None if adjacency_NN.ndim == 2 else len(adjacency_NN)
        *example, to_E, from_E = adjacency_NN.nonzero(as_tuple=True)
        shift_E = example[0] * self.nodes if example else 0
        self.register_buffer("edge_2E", torch.stack([from_E, to_E]) + shift_E, persistent=False)
        self.register_buffer("weight_E", adjacency_NN[adjacency_NN != 0], persistent=False)
        self.weighted = bool((self.weight_E != 1.0).any())

    def of(self, examples: int) -> tuple[Tensor, Tensor | None]:
        """The edges of one graph that holds `examples` graphs side by side, and their weights, None where all are 1."""
        if self.examples is not None:
            return self.edge_2E, self.weight_E if self.weighted else None
        shift_B = self.nodes * torch.arange(examples, device=self.edge_2E.device)
        edge_2E = (self.edge_2E[:, None, :] + shift_B[:, None]).flatten(1)
        return edge_2E, self.weight_E.repeat(examples) if self.weighted else None


class _Quiet(MessagePassing):
    """Without the program text that PyG writes for each class into the folder for temporary files, and leaves there."""

    def _set_jittable_templates(self, raise_on_error: bool = False) -> None:
        pass


class _Weighted(_Quiet):
    """Messages times the weights of their edges, which PyG's GINConv and SAGEConv do not know."""

    weight_E: Tensor | None = None

    def message(self, x_j: Tensor) -> Tensor:
        return x_j if self.weight_E is None else self.weight_E[:, None] * x_j


class _GcnConv(_Quiet, GCNConv):
    pass


class _GinConv(_Weighted, GINConv):
    pass


class _SageConv(_Weighted, SAGEConv):
    pass


class _GatConv(_Quiet, GATConv):
    pass


class _GatedConv(_Quiet, ResGatedGraphConv):
    pass


class _ByPyG(Layer):
    """Keeps one module of PyG, outside the network's own, and calls it with the parameters of the layer it stands for."""

    conv: tuple[MessagePassing]  # in a tuple, or torch would count its parameters among the network's

    def operator(self, adjacency_NN: Tensor) -> Tensor | nn.Module:
        return Edges(adjacency_NN)

    def theirs(self) -> dict[str, Tensor]:
        """Parameters by the name that PyG has for them: all of them, or the call fails."""
        raise TypeError(f"{type(self).__name__} must define theirs()")

    def call(self, h_XD: Tensor, edge_2E: Tensor, weight_E: Tensor | None) -> Tensor:
        return self.run(h_XD, edge_2E)

    def run(self, *given: Any) -> Tensor:
        return functional_call(self.conv[0], self.theirs(), given, strict=True)

    def forward(self, h_BND: Tensor, operator_NN: Edges) -> Tensor:
        h_XD = h_BND.flatten(0, -2)
        return self.call(h_XD, *operator_NN.of(len(h_XD) // operator_NN.nodes)).unflatten(0, h_BND.shape[:-1])


class PygGcn(_ByPyG, Gcn):
    """GCNConv, which adds the self loops by itself."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__(d_in, d_out)
        self.conv = (_GcnConv(d_in, d_out),)

    def theirs(self) -> dict[str, Tensor]:
        return {"lin.weight": self.linear.weight, "bias": self.linear.bias}

    def call(self, h_XD: Tensor, edge_2E: Tensor, weight_E: Tensor | None) -> Tensor:
        return self.run(h_XD, edge_2E, weight_E)


class PygGin(_ByPyG, Gin):
    """GINConv with a learned ε."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__(d_in, d_out)
        mlp = nn.Sequential(nn.Linear(d_in, d_out), nn.ReLU(), nn.Linear(d_out, d_out))
        self.conv = (_GinConv(mlp, train_eps=True),)

    def theirs(self) -> dict[str, Tensor]:
        first = {f"nn.0.{name}": parameter for name, parameter in self.first.named_parameters()}
        second = {f"nn.2.{name}": parameter for name, parameter in self.second.named_parameters()}
        return {"eps": self.eps, **first, **second}

    def call(self, h_XD: Tensor, edge_2E: Tensor, weight_E: Tensor | None) -> Tensor:
        self.conv[0].weight_E = weight_E
        return self.run(h_XD, edge_2E)


class PygSage(_ByPyG, Sage):
    """SAGEConv with the mean; with weights, the weighted mean."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__(d_in, d_out)
        self.conv = (_SageConv(d_in, d_out),)

    def theirs(self) -> dict[str, Tensor]:
        return {"lin_l.weight": self.other.weight, "lin_l.bias": self.own.bias, "lin_r.weight": self.own.weight}

    def call(self, h_XD: Tensor, edge_2E: Tensor, weight_E: Tensor | None) -> Tensor:
        self.conv[0].weight_E = None if weight_E is None else weight_E / mean_weight(edge_2E[1], weight_E, len(h_XD))[edge_2E[1]]
        return self.run(h_XD, edge_2E)


class PygGat(_ByPyG, Gat):
    """GATConv, which adds the self loops by itself."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__(d_in, d_out)
        self.conv = (_GatConv(d_in, d_out // self.heads, heads=self.heads, negative_slope=self.slope),)

    def theirs(self) -> dict[str, Tensor]:
        vectors = {"att_dst": self.own[None], "att_src": self.other[None]}
        return {"lin.weight": self.linear.weight, "bias": self.linear.bias, **vectors}


class PygGatedGcn(_ByPyG, GatedGcn):
    """ResGatedGraphConv."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__(d_in, d_out)
        self.conv = (_GatedConv(d_in, d_out),)

    def theirs(self) -> dict[str, Tensor]:
        maps = {"lin_key": self.gate_own, "lin_query": self.gate_other, "lin_value": self.other}
        named = {f"{theirs}.{name}": parameter for theirs, ours in maps.items() for name, parameter in ours.named_parameters()}
        return {"lin_skip.weight": self.own.weight, "bias": self.own.bias, **named}


def mean_weight(to_E: Tensor, weight_E: Tensor, nodes: int) -> Tensor:
    """(N,) mean weight of the edges to each node; 1 where there is none."""
    edges_N = torch.bincount(to_E, minlength=nodes)
    total_N = weight_E.new_zeros(nodes).index_add(0, to_E, weight_E)
    return torch.where(edges_N > 0, total_N / edges_N.clamp(min=1), 1.0)


LAYERS: dict[str, type[Layer]] = {"gcn": PygGcn, "gin": PygGin, "sage": PygSage, "gat": PygGat, "gated_gcn": PygGatedGcn}
