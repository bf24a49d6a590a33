"""The obstruction between two nodes: by full Jacobian matrices, and in a linear network by effective resistance."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.resistance import resistances_NN
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.models.layers import LAYERS
from engine.labs.gnn.models.networks import Passing, Stack
from engine.labs.gnn.models.norms import NORMS
from engine.labs.gnn.probes.obstruction import Obstruction, loop_degrees_N, obstruction
from tests.labs.gnn.test_readings import readings
from tests.support.graphs import built

WIDTH = 4


def exact(width: int) -> Tensor:
    return width**0.5 * torch.eye(width, dtype=torch.float64)


def stack(graph: Graph, layers: int, layer: str, residual: bool) -> Stack:
    adjacency_NN = torch.from_numpy(graph.adjacency_NN())
    made = Stack(3, WIDTH, [adjacency_NN] * layers, LAYERS[layer], NORMS["none"], residual).double()
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draws, dtype=torch.float64) / 2.0)
    return made.eval()


@pytest.mark.parametrize(("layer", "residual"), [("gcn", False), ("gcn", True), ("sage", False)])
def test_it_is_the_sum_over_layers_of_full_jacobian_matrices(layer: str, residual: bool) -> None:
    graph = built("barbell", clique=3, path=1)
    made = stack(graph, 3, layer, residual)
    x_ND = torch.randn(graph.nodes, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    degree_N, v, u = loop_degrees_N(graph.adjacency_NN()), 0, 6
    states = [state_BND[0].detach() for state_BND in made.states(x_ND[None])]

    def last_ND(first_ND: Tensor, k: int) -> Tensor:
        """The last states as a function of those of layer k."""
        for i in range(k, 3):
            block = made.blocks[i]
            message_ND = torch.relu(block.layer(first_ND, getattr(made, f"operator_{i}")))
            first_ND = first_ND + message_ND if residual else message_ND
        return first_ND

    total = 0.0
    for k, state_ND in enumerate(states):
        whole_NDND = jacobian(lambda first_ND, k=k: last_ND(first_ND, k), state_ND)
        across = float(degree_N[v] * degree_N[u]) ** 0.5
        own_DD = whole_NDND[v, :, v] / degree_N[v] + whole_NDND[u, :, u] / degree_N[u]
        term_DD = own_DD - (whole_NDND[v, :, u] + whole_NDND[u, :, v]) / across
        total += float(torch.linalg.matrix_norm(term_DD)) / WIDTH**0.5
    found = obstruction(made, x_ND, degree_N, v, [u], exact(WIDTH))
    assert float(found[0]) == pytest.approx(total, rel=1e-12)
    guess = obstruction(made, x_ND, degree_N, v, [u])
    assert 0.3 * total < float(guess[0]) < 3.0 * total
    assert float(obstruction(made, x_ND, degree_N, v, [v], exact(WIDTH))[0]) == pytest.approx(0.0, abs=1e-12)


class Averaging(Passing):
    """Layers h ← S h: linear, with identities for weights."""

    def __init__(self, graph: Graph, layers: int) -> None:
        super().__init__()
        self.layers, self.operator_NN = layers, LAYERS["gcn"](1, 1).operator(torch.from_numpy(graph.adjacency_NN()))

    def states(self, x_BND: Tensor) -> list[Tensor]:
        out = [x_BND]
        for _ in range(self.layers):
            out.append(self.operator_NN @ out[-1])
        return out


@pytest.mark.parametrize("name", ["barbell", "tree", "ba"])
def test_in_a_linear_network_it_tends_to_the_effective_resistance(name: str) -> None:
    knobs: dict[str, dict[str, Any]] = {"barbell": {"clique": 3, "path": 1}, "tree": {"distance": 2, "arity": 2}, "ba": {"nodes": 12}}
    graph = built(name, **knobs[name])
    others = [1, graph.nodes // 2, graph.nodes - 1]
    found = obstruction(
        Averaging(graph, 500), torch.zeros(graph.nodes, 2, dtype=torch.float64), loop_degrees_N(graph.adjacency_NN()), 0, others, exact(2)
    )
    expected = resistances_NN(graph)[0, others]
    for value, ohm in zip(found.tolist(), expected, strict=True):
        assert value == pytest.approx(ohm, rel=1e-6) or value > ohm, "a term below 0 counts as its size"
    assert found[-1].item() == pytest.approx(expected[-1], rel=1e-6), "far ends: no term is below 0"


def test_a_run_stores_it_for_the_pair_and_for_every_distance_and_leaves_the_network_as_it_was() -> None:
    found = readings({"graph": {"is": "ring", "distance": 6}, "width": 8}, Obstruction)
    assert len(found["obstruction/by_distance"]) == 6
    assert found["obstruction/target"] == found["obstruction/by_distance"][-1]
    lab = Gnn.model_validate({"graph": {"is": "ring", "distance": 20}, "width": 4, "device": "cpu"})
    model = lab.model().train()
    values = [reading.value for reading in Obstruction(lab, model).after(_step(lab, model))]
    assert len(values[1]) == 16, "distances, at most"
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def _step(lab: Gnn, model: torch.nn.Module) -> Any:
    from engine.labs.probe import Step

    return Step(0, 1, lab, model, lab.batch(0), {}, torch.optim.SGD(model.parameters(), lr=0.1), 0.1)
