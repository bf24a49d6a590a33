"""One network, three ways to compute it: whole matrices, PyTorch Geometric and sparse rows agree in values, gradients and Jacobian."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch_geometric.nn as theirs
from torch import Tensor, nn
from torch_geometric.utils import coalesce, dense_to_sparse

from engine.labs.gnn._propagation import LARGEST_DENSE, SUMS, layers
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.models import csr_layers
from engine.labs.gnn.models.layers import LAYERS, Gat, GatedGcn, Gcn, Gin, Layer, Sage
from engine.labs.gnn.probes.jacobian import sensitivity

DOUBLE_PATH = [(0, 1), (1, 2), (2, 1), (1, 2), (2, 3), (3, 4)]  # one edge said three times


def symmetric(nodes: int, edges: dict[tuple[int, int], float]) -> Tensor:
    out_NN = torch.zeros(nodes, nodes, dtype=torch.float64)
    for (a, b), weight in edges.items():
        out_NN[a, b] = out_NN[b, a] = weight
    return out_NN


GRAPHS = {
    "isolated node": symmetric(5, {(0, 1): 1, (1, 2): 1, (2, 0): 1, (2, 3): 1}),
    "hub": symmetric(7, {(0, leaf): 1 for leaf in range(1, 7)}),
    "self loop": symmetric(4, {(0, 1): 1, (1, 2): 1, (2, 3): 1, (1, 1): 1, (3, 3): 1}),
    "duplicate edge": torch.from_numpy(Graph.of(5, DOUBLE_PATH).adjacency_NN()),
    "weights": symmetric(5, {(0, 1): 0.5, (1, 2): 2.0, (2, 3): 0.25, (3, 0): 1.5}),
}


def random(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


def module_of_pyg(layer: Layer, adjacency_NN: Tensor) -> tuple[nn.Module, tuple[Tensor, ...], dict[str, Tensor]]:
    """PyG's module as it comes, the arguments that stand for the graph, and the parameters by PyG's names, set side by side by hand."""
    edge_2E, weight_E = dense_to_sparse(adjacency_NN)
    d_in, weighted = 3, bool((weight_E != 1).any())
    total_N1 = adjacency_NN.sum(1, keepdim=True).clamp(min=1e-300)
    given: tuple[Tensor, ...] = (edge_2E,)
    if isinstance(layer, Gcn):
        module = theirs.GCNConv(d_in, 4)
        copies = {"lin.weight": layer.linear.weight, "bias": layer.linear.bias}
        given = edge_2E, weight_E
    elif isinstance(layer, Gin):
        module = theirs.GINConv(nn.Sequential(layer.first, nn.ReLU(), layer.second), train_eps=True)
        copies = {"eps": layer.eps}
        given = (adjacency_NN.to_sparse(),) if weighted else given  # PyG's GINConv and SAGEConv take weights in this form alone
    elif isinstance(layer, Sage):
        module = theirs.SAGEConv(d_in, 4, aggr="sum" if weighted else "mean")
        copies = {"lin_l.weight": layer.other.weight, "lin_l.bias": layer.own.bias, "lin_r.weight": layer.own.weight}
        given = ((adjacency_NN / total_N1).to_sparse(),) if weighted else given
    elif isinstance(layer, Gat):
        module = theirs.GATConv(d_in, 1, heads=4)
        copies = {"lin.weight": layer.linear.weight, "bias": layer.linear.bias}
        copies |= {"att_src": layer.other[None], "att_dst": layer.own[None]}
    else:
        assert isinstance(layer, GatedGcn)
        module = theirs.ResGatedGraphConv(d_in, 4)
        copies = {"lin_skip.weight": layer.own.weight, "bias": layer.own.bias}
        for name, one in (("key", layer.gate_own), ("query", layer.gate_other), ("value", layer.other)):
            copies |= {f"lin_{name}.weight": one.weight, f"lin_{name}.bias": one.bias}
    module = module.double()
    assert {*copies} | {f"nn.{name}" for name, _ in getattr(module, "nn", nn.Identity()).named_parameters()} == {*module.state_dict()}
    return module, given, copies


def everything(out_ND: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """The values, and the gradient of a weighted sum of them by each input."""
    weights_ND = torch.linspace(-1.0, 2.0, out_ND.numel(), dtype=torch.float64).view_as(out_ND)
    return [out_ND.detach(), *torch.autograd.grad(out_ND, inputs, weights_ND)]


def agree(one: list[Tensor], other: list[Tensor], within: float) -> None:
    for mine, yours in zip(one, other, strict=True):
        torch.testing.assert_close(mine, yours, rtol=0.0, atol=within)


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyG's modules, as they come, write program text into the folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.usefixtures("own_temporary_folder")
@pytest.mark.filterwarnings("ignore:(Converting sparse tensor|Sparse CSR tensor):UserWarning")
def test_a_layer_is_the_one_of_pyg_in_value_and_gradient(name: str, graph: str) -> None:
    torch.manual_seed(0)
    adjacency_NN = GRAPHS[graph]
    layer = random(LAYERS[name](3, 4).double())
    h_ND = torch.randn(len(adjacency_NN), 3, dtype=torch.float64, requires_grad=True)
    module, given, copies = module_of_pyg(layer, adjacency_NN)
    inputs = [h_ND, *layer.parameters()]
    reference = everything(torch.func.functional_call(module, copies, (h_ND, *given)), inputs)
    for way in ("dense", "pyg", "csr"):
        if name in layers(way):
            same = layers(way)[name](3, 4).double()
            same.load_state_dict(layer.state_dict())
            agree(everything(same(h_ND, same.operator(adjacency_NN)), [h_ND, *same.parameters()]), reference, 1e-12)


def test_an_edge_said_several_times_is_one_edge_for_pyg_too() -> None:
    both_ways = torch.tensor(DOUBLE_PATH + [(b, a) for a, b in DOUBLE_PATH]).T
    assert torch.equal(coalesce(both_ways), dense_to_sparse(GRAPHS["duplicate edge"])[0])


@pytest.mark.parametrize(("name", "way"), [(name, way) for way in ("pyg", "csr") for name in layers(way)])
def test_every_way_takes_one_graph_for_all_examples_or_one_for_each(name: str, way: str) -> None:
    torch.manual_seed(0)
    layer, other = random(LAYERS[name](3, 4).double()), layers(way)[name](3, 4).double()
    other.load_state_dict(layer.state_dict())
    shared_NN = GRAPHS["isolated node"]
    for operator_NN in (shared_NN, torch.stack([GRAPHS["weights"], shared_NN, torch.zeros_like(shared_NN)])):
        h_BND = torch.randn(3, 5, 3, dtype=torch.float64)
        torch.testing.assert_close(
            other(h_BND, other.operator(operator_NN)), layer(h_BND, layer.operator(operator_NN)), rtol=0.0, atol=1e-12
        )


# -- the whole network -----------------------------------------------------------------------------------


def network(way: str, **knobs: Any) -> tuple[Gnn, nn.Module]:
    """The lab and its network in float64."""
    torch.set_default_dtype(torch.float64)
    try:
        graph = {"is": "barbell", "clique": 4, "path": 2}
        lab = Gnn.model_validate({"propagation": way, "width": 8, "graph": graph, **knobs})
        return lab, lab.model()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("passing", "norm"), [("plain", "none"), ("plain", "batch"), ("residual", "l2")])
@pytest.mark.parametrize("layer", LAYERS)
def test_dense_pyg_and_csr_are_one_network_with_one_jacobian(layer: str, passing: str, norm: str) -> None:
    ways = {}
    for way in ("dense", "pyg", "csr") if layer in SUMS else ("dense", "pyg"):
        lab, model = network(way, layer=layer, norm=norm, message_passing={"is": passing})
        x_BND, (example, read, holds) = lab.batch(0)["x"].double(), lab.pairs()[0]
        answer_BC = model(x_BND)
        gradients = everything(answer_BC, list(model.parameters()))
        jacobian_N = sensitivity(lab, model, x_BND[example], read)
        assert jacobian_N[holds] > 0
        ways[way] = list(model.state_dict()), gradients, jacobian_N, lab.states(model, x_BND[0])
    names, gradients, jacobian_N, states = ways.pop("dense")
    for way in ways:
        assert ways[way][0] == names, "checkpoints of one way load in another"
        agree(ways[way][1], gradients, 1e-12 * max(1.0, *(float(g.abs().max()) for g in gradients)))
        torch.testing.assert_close(ways[way][2], jacobian_N, rtol=0.0, atol=1e-10)
        agree(ways[way][3], states, 1e-12)


@pytest.mark.parametrize("layer", SUMS)
def test_under_reach_is_exactly_zero_on_every_way(layer: str) -> None:
    """Three layers over five edges: no message arrives, and no rounding stands in its place."""
    for way in ("dense", "pyg", "csr"):
        lab, model = network(way, layer=layer, norm="batch", layers=3, message_passing={"is": "residual"})
        example, read, holds = lab.pairs()[0]
        assert sensitivity(lab, model, lab.batch(0)["x"].double()[example], read)[holds] == 0


# -- the knob --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knobs", "nodes", "expected"),
    [
        ({}, LARGEST_DENSE, "dense"),
        ({}, LARGEST_DENSE + 1, "csr"),
        ({"layer": "gat"}, LARGEST_DENSE + 1, "dense"),
        ({"message_passing": {"is": "nu_drew"}}, LARGEST_DENSE + 1, "dense"),
        ({"propagation": "pyg"}, LARGEST_DENSE + 1, "pyg"),
        ({"propagation": "dense"}, LARGEST_DENSE + 1, "dense"),
    ],
)
def test_auto_is_csr_beyond_512_nodes_where_it_can_be(knobs: dict[str, Any], nodes: int, expected: str) -> None:
    lab = Gnn.model_validate({"graph": {"is": "ba", "nodes": nodes}, "layers": 1, "width": 4, **knobs})
    assert lab.way() == lab.provenance()["propagation"] == expected
    assert any(isinstance(module, csr_layers.CsrMatrix) for module in lab.model().modules()) == (expected == "csr")


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"propagation": "csr", "layer": "gat"}, "propagation=csr does not go with layer=gat: .* Give layer as gcn or gin or sage"),
        ({"propagation": "csr", "layer": "gated_gcn"}, "propagation=csr does not go with layer=gated_gcn"),
        ({"propagation": "pyg", "message_passing": "drew"}, "message_passing=drew does not go with propagation=pyg"),
        ({"propagation": "csr", "message_passing": "nu_drew"}, "Give propagation as auto or dense"),
        ({"layer": "gat", "width": 6}, "layer=gat does not go with width=6: four heads share the width. Give width as 4 or 8"),
    ],
)
def test_what_does_not_go_together_is_refused(knobs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Gnn.model_validate(knobs)


def test_csr_takes_the_format_that_autocast_chose() -> None:
    lab = Gnn(propagation="csr", width=4, layers=2)
    model, x_BND = lab.model(), lab.batch(0)["x"]
    with torch.autocast("cpu", torch.bfloat16):
        answers = model(x_BND)
    np.testing.assert_allclose(answers.detach().float(), model(x_BND).detach(), atol=0.05)
    assert list(itertools.chain(model.state_dict())) == list(Gnn(propagation="dense", width=4, layers=2).model().state_dict())
