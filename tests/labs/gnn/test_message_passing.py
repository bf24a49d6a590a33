"""What arrives where and when: plain, residual and delayed message passing, and the task that asks for it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.declare.knobs import describe
from engine.labs.gnn.datasets.distances import distances_NN
from engine.labs.gnn.datasets.examples import transfer
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.models.layers import Gcn, gcn_operator
from engine.labs.gnn.models.networks import Delayed, Stack
from engine.labs.gnn.models.norms import NORMS
from engine.labs.gnn.remedies.message_passing._drew import matched
from tests.support.authors import recorded

GIVEN, READS = recorded("drew")
_, RINGS = recorded("ring_transfer")


def path(nodes: int) -> Graph:
    return Graph.of(nodes, [(i, i + 1) for i in range(nodes - 1)])


def delayed(graph: Graph, layers: int, delay: int | None, norm: str = "none") -> Delayed:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)  # the operators are made in it
    network = Delayed(2, 3, layers, torch.from_numpy(distances_NN(graph)), delay, NORMS[norm])
    torch.set_default_dtype(torch.float32)
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 1.0)  # positive: no relu hides a path
    return network


def dependence(states: list[Tensor], x_ND: Tensor, read: int) -> list[Tensor]:
    """Of each state, how much node `read` depends on each node: (N,)."""
    return [torch.autograd.grad(h_ND[read].sum(), x_ND, retain_graph=True)[0].abs().sum(-1) for h_ND in states]


# -- DRew --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READS["reads"])
def test_every_layer_reads_the_states_that_the_authors_code_reads(name: str) -> None:
    word, _, most = name.removeprefix("nu_").partition("_kmax")
    network = delayed(path(8), GIVEN["layers"], None if word == "inf" else int(word))
    for t, expected in enumerate(READS["reads"][name]):
        reads = [list(one) for one in network.reads(t) if one[0] <= int(most or 99)]
        assert reads == expected


@pytest.mark.parametrize(("layers", "width"), READS["width_by_layers"].items())
def test_the_width_is_matched_as_in_the_authors_code(layers: str, width: int) -> None:
    assert matched(GIVEN["ring_transfer_width_of_gcn"], int(layers)) == width


def test_with_a_delay_of_one_a_message_from_distance_k_arrives_at_layer_k_and_not_before() -> None:
    x_ND = torch.rand(7, 2, dtype=torch.float64, requires_grad=True)
    states = delayed(path(7), 6, 1).states(x_ND)
    for t, row_N in enumerate(dependence(states, x_ND, 0)):
        assert (row_N[: t + 1] > 0).all()
        assert (row_N[t + 1 :] == 0).all()


def test_without_a_delay_two_layers_reach_three_edges() -> None:
    x_ND = torch.rand(7, 2, dtype=torch.float64, requires_grad=True)
    states = delayed(path(7), 3, None).states(x_ND)
    reach = [int((row_N > 0).nonzero().max()) for row_N in dependence(states, x_ND, 0)]
    assert reach == [0, 1, 3, 6], "1 + 2 + 3 edges: layer t reads up to t + 1 edges away, of what is there now"


@pytest.mark.parametrize("delay", [1, 2, None])
def test_delayed_layers_are_the_sum_of_the_paper(delay: int | None) -> None:
    """Against a loop over layers, distances and nodes."""
    graph, layers = Graph.of(6, [(0, 1), (1, 2), (2, 3), (3, 0), (3, 4)]), 3  # a cycle with a tail, and a node alone
    hops_NN = distances_NN(graph)
    network, x_ND = delayed(graph, layers, delay), torch.rand(6, 2, dtype=torch.float64)
    states = [network.encoder(x_ND)]
    for t, layer in enumerate(block.layer for block in network.blocks):
        total_ND = torch.zeros(6, 3, dtype=torch.float64)
        for k in range(1, t + 2):
            near = [[u for u in range(6) if hops_NN[v, u] == k] for v in range(6)]
            if not any(near):
                continue
            sent_ND = states[t - (0 if delay is None else max(k - delay, 0))] @ layer.at_distance[str(k)].linear.weight.T
            for v in range(6):
                for u in (v, *near[v]):
                    total_ND[v] += sent_ND[u] / math.sqrt((len(near[u]) + 1) * (len(near[v]) + 1))
                total_ND[v] += layer.at_distance[str(k)].linear.bias
        states.append(states[-1] + torch.relu(total_ND))
    for mine_ND, expected_ND in zip(network.states(x_ND), states, strict=True):
        torch.testing.assert_close(mine_ND, expected_ND, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("way", ["plain", "residual", "drew", "nu_drew"])
def test_the_norm_of_a_state_leaves_every_state_behind_a_layer_with_length_one(way: str) -> None:
    lab = Gnn.model_validate({"message_passing": {"is": way}, "norm": "l2", "graph": {"is": "ring", "distance": 5}})
    for h_ND in lab.states(lab.model(), lab.batch(0)["x"][0])[1:]:
        assert h_ND.norm(dim=-1).tolist() == pytest.approx([1.0] * 10, abs=1e-5)


# -- plain and residual -------------------------------------------------------------------------------


@pytest.mark.parametrize("residual", [False, True])
def test_a_message_moves_one_edge_per_layer(residual: bool) -> None:
    torch.manual_seed(0)
    adjacency_NN = torch.from_numpy(path(7).adjacency_NN())
    network = Stack(2, 3, [adjacency_NN] * 4, Gcn, NORMS["none"], residual).double()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 1.0)
    x_ND = torch.rand(7, 2, dtype=torch.float64, requires_grad=True)
    for t, row_N in enumerate(dependence(network.states(x_ND), x_ND, 0)):
        assert ((row_N > 0) == (torch.arange(7) <= t)).all()


def test_the_share_of_a_linear_network_is_the_power_of_its_operator() -> None:
    """Weights of 1 and positive inputs: what arrives is (Sᴸ)_vu, no more and no less."""
    adjacency_NN = torch.from_numpy(path(6).adjacency_NN())
    network = Stack(1, 1, [adjacency_NN] * 4, Gcn, NORMS["none"], False).double()
    for name, parameter in network.named_parameters():
        torch.nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
    x_ND = torch.ones(6, 1, dtype=torch.float64, requires_grad=True)
    row_N = dependence(network.states(x_ND), x_ND, 1)[-1]
    torch.testing.assert_close(row_N, torch.linalg.matrix_power(gcn_operator(adjacency_NN), 4)[1], rtol=0.0, atol=1e-14)


def test_batch_norm_couples_all_nodes_in_training_and_none_in_evaluation() -> None:
    lab = Gnn(layers=4, norm="batch")
    model, x_ND = lab.model(), lab.batch(0)["x"][0].clone().requires_grad_()
    target = lab.pairs()[0][2]
    model.train()
    coupled = torch.autograd.grad(model.passing.states(x_ND[None])[-1][0, 0].square().sum(), x_ND)[0][target]
    apart = torch.autograd.grad(lab.states(model, x_ND)[-1][0].square().sum(), x_ND)[0][target]
    assert coupled.abs().max() > 0
    assert (apart == 0).all()
    assert model.training
    assert all(module.training for module in model.modules())


# -- the task ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ring_6", "ring_10"])
def test_the_transfer_task_is_the_authors(name: str) -> None:
    told = RINGS[name]
    graph = Graph.of(told["nodes"], told["directed_edges_in_order"])
    examples = transfer(graph, told["reads_out_at"][0], told["label_sits_at"][0])
    assert len(graph.edges_E2) == len({tuple(sorted(edge)) for edge in told["directed_edges_in_order"]})
    label = told["class"][0]
    assert examples.x_BND[label].tolist() == told["features"]
    assert examples.answer.tolist() == [0, 1, 2, 3, 4]


def test_the_depth_is_the_distance_unless_it_is_given() -> None:
    assert Gnn.model_validate({"graph": {"is": "ring", "distance": 7}}).depth() == 7
    assert Gnn(layers=3).depth() == 3


@pytest.mark.parametrize(
    ("knobs", "most"),
    [
        ({"graph": {"is": "ring", "distance": 129}}, 128),
        ({"graph": {"is": "ring", "distance": 65}, "message_passing": "nu_drew"}, 64),
        ({"layers": 65, "message_passing": "drew"}, 64),
    ],
)
def test_a_network_of_too_many_layers_is_refused_in_one_sentence(knobs: dict[str, Any], most: int) -> None:
    with pytest.raises(ValueError, match=rf"^the network would have {most + 1} layers, and at most {most} are allowed.*;[^.]*\.$"):
        Gnn.model_validate(knobs).depth()
    assert Gnn(layers=128).depth() == 128 == next(knob["max"] for knob in describe(Gnn) if knob["name"] == "layers")
