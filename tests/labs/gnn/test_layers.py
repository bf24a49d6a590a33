"""Each layer does what its paper's sum over neighbours says: the dense product against a loop over nodes in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.labs.gnn.models.layers import LAYERS, Gat, GatedGcn, Gcn, Gin, Layer, Sage, gcn_operator

Neighbours = list[list[int]]
GRAPHS: dict[str, tuple[int, list[tuple[int, int]]]] = {
    "path": (5, [(0, 1), (1, 2), (2, 3), (3, 4)]),
    "hub": (6, [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]),
    "isolated node": (4, [(0, 1), (1, 2)]),
    "complete": (4, [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]),
    "two nodes": (2, [(0, 1)]),
}


def adjacency(nodes: int, edges: list[tuple[int, int]]) -> Tensor:
    out_NN = torch.zeros(nodes, nodes, dtype=torch.float64)
    for a, b in edges:
        out_NN[a, b] = out_NN[b, a] = 1.0
    return out_NN


def by_hand(layer: Layer, h_ND: Tensor, adjacency_NN: Tensor) -> Tensor:
    """Node after node."""
    N = len(h_ND)
    near: Neighbours = [[u for u in range(N) if adjacency_NN[v, u]] for v in range(N)]
    rows = []
    for v in range(N):
        if isinstance(layer, Gcn):
            degree = [len(near[u]) + 1 for u in range(N)]
            terms = [layer.linear.weight @ h_ND[u] / math.sqrt(degree[u] * degree[v]) for u in (v, *near[v])]
            rows.append(torch.stack(terms).sum(0) + layer.linear.bias)
        elif isinstance(layer, Gin):
            total_D = (1.0 + layer.eps) * h_ND[v] + sum((h_ND[u] for u in near[v]), torch.zeros_like(h_ND[v]))
            hidden_D = torch.relu(layer.first.weight @ total_D + layer.first.bias)
            rows.append(layer.second.weight @ hidden_D + layer.second.bias)
        elif isinstance(layer, Gat):
            heads = []
            for k, weight_CD in enumerate(layer.linear.weight.chunk(layer.heads)):
                sent = {u: weight_CD @ h_ND[u] for u in (v, *near[v])}
                score = torch.stack([layer.own[k] @ sent[v] + layer.other[k] @ sent[u] for u in sent])
                share = torch.where(score > 0, score, 0.2 * score).exp()
                heads.append(sum(a * message_C for a, message_C in zip(share / share.sum(), sent.values(), strict=True)))
            rows.append(torch.cat(heads) + layer.linear.bias)
        elif isinstance(layer, GatedGcn):
            total_D = layer.own(h_ND[v])
            for u in near[v]:
                total_D = total_D + layer.other(h_ND[u]) / (1.0 + (-layer.gate_own(h_ND[v]) - layer.gate_other(h_ND[u])).exp())
            rows.append(total_D)
        else:
            assert isinstance(layer, Sage)
            mean_D = torch.stack([h_ND[u] for u in near[v]]).mean(0) if near[v] else torch.zeros_like(h_ND[v])
            rows.append(layer.own.weight @ h_ND[v] + layer.own.bias + layer.other.weight @ mean_D)
    return torch.stack(rows)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_its_sum_over_neighbours_in_value_and_gradient(name: str, graph: str) -> None:
    torch.manual_seed(0)
    nodes, edges = GRAPHS[graph]
    adjacency_NN = adjacency(nodes, edges)
    layer = LAYERS[name](3, 4).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    h_ND = torch.randn(nodes, 3, dtype=torch.float64, requires_grad=True)
    dense, plain = layer(h_ND, layer.operator(adjacency_NN)), by_hand(layer, h_ND, adjacency_NN)
    weights_ND = torch.randn_like(plain)
    inputs = [h_ND, *layer.parameters()]
    torch.testing.assert_close(dense, plain, rtol=0.0, atol=1e-12)
    for one, other in zip(torch.autograd.grad(dense, inputs, weights_ND), torch.autograd.grad(plain, inputs, weights_ND), strict=True):
        torch.testing.assert_close(one, other, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_takes_one_graph_for_all_examples_or_one_for_each(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name](3, 4).double()
    graphs_BNN = torch.stack([adjacency(*GRAPHS["path"]), torch.zeros(5, 5, dtype=torch.float64)])
    h_BND = torch.randn(2, 5, 3, dtype=torch.float64)
    together = layer(h_BND, layer.operator(graphs_BNN))
    for b in range(2):
        torch.testing.assert_close(together[b], layer(h_BND[b], layer.operator(graphs_BNN[b])), rtol=0.0, atol=1e-14)


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="width=6 cannot be shared by the 4 heads of layer=gat; give a multiple of 4"):
        Gat(3, 6)


def test_attention_is_a_mean_and_a_shut_gate_lets_nothing_through() -> None:
    """Equal neighbours are heard as one; a gate far below 0 leaves a node with what it knows."""
    adjacency_NN = adjacency(*GRAPHS["hub"])
    h_ND = torch.ones(6, 3, dtype=torch.float64)
    attention, gated = Gat(3, 4).double(), GatedGcn(3, 4).double()
    torch.nn.init.normal_(attention.own)
    expected_ND = h_ND @ attention.linear.weight.T + attention.linear.bias
    torch.testing.assert_close(attention(h_ND, attention.operator(adjacency_NN)), expected_ND, rtol=0.0, atol=1e-14)
    torch.nn.init.constant_(gated.gate_own.bias, -1e3)
    torch.testing.assert_close(gated(h_ND, gated.operator(adjacency_NN)), gated.own(h_ND), rtol=0.0, atol=1e-14)


def test_the_operator_of_the_gcn_keeps_constant_states_of_a_regular_graph() -> None:
    ring_NN = adjacency(6, [(i, (i + 1) % 6) for i in range(6)])
    torch.testing.assert_close(gcn_operator(ring_NN).sum(-1), torch.ones(6, dtype=torch.float64), rtol=0.0, atol=1e-15)
