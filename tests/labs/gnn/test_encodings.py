"""Positional encodings against their definitions in float64: what signs, bases and small changes of the graph do to each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.labs.gnn._propagation import layers
from engine.labs.gnn.datasets.distances import components_N
from engine.labs.gnn.datasets.draws import generator
from engine.labs.gnn.datasets.eigenpairs import aligned, eigenpairs, laplacian_NN, noise_NN, opened, smallest_gap
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.models.encodings import Encoding
from engine.labs.gnn.remedies.positional_encoding import PositionalEncoding
from tests.support.graphs import built

NAMES = [name for name in PositionalEncoding.answers() if name != "none"]
SIZES = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
RING = built("ring", distance=12)  # C24: eleven eigenvalues come twice
TWO = Graph.of(9, [(0, 1), (1, 2), (2, 0), (4, 5), (5, 6), (6, 4), (6, 7)])  # two triangles, one with a tail, and two nodes alone


def double(name: str, graph: Graph, way: str = "dense", **knobs: Any) -> Encoding:
    """The encoding in float64, every weight drawn."""
    torch.set_default_dtype(torch.float64)
    try:
        encoding = PositionalEncoding.answer(name)(**knobs).build(graph, layers(way)["gin"])
        assert encoding is not None
        torch.manual_seed(0)
        for parameter in encoding.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        return encoding
    finally:
        torch.set_default_dtype(torch.float32)


def weights(encoding: Encoding) -> dict[str, np.ndarray]:
    return {name: parameter.detach().numpy() for name, parameter in encoding.named_parameters()}


def gin(w: dict[str, np.ndarray], part: str, adjacency_NN: np.ndarray, h_NC: np.ndarray) -> np.ndarray:
    """Two layers of GIN, node by node."""
    for layer in (f"{part}.layers.0", f"{part}.layers.1"):
        summed_NC = np.stack(
            [(1 + w[f"{layer}.eps"]) * h_NC[v] + sum(a * h for a, h in zip(adjacency_NN[v], h_NC, strict=True)) for v in range(len(h_NC))]
        )
        hidden_NC = np.maximum(summed_NC @ w[f"{layer}.first.weight"].T + w[f"{layer}.first.bias"], 0.0)
        h_NC = hidden_NC @ w[f"{layer}.second.weight"].T + w[f"{layer}.second.bias"]
    return h_NC


# -- eigenpairs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", [RING, TWO, built("barbell")])
def test_eigenpairs_are_those_of_the_normalised_laplacian_and_each_lives_on_one_component(graph: Graph) -> None:
    degree_N, component_N = graph.degree_N, components_N(graph)
    matrix_NN = np.diag((degree_N > 0).astype(float))
    for a, b in graph.pairs:
        matrix_NN[a, b] = matrix_NN[b, a] = -1.0 / np.sqrt(degree_N[a] * degree_N[b])
    given = eigenpairs(laplacian_NN(graph.adjacency_NN()), component_N)
    np.testing.assert_allclose(matrix_NN @ given.vectors_NK, given.vectors_NK * given.values_K, atol=1e-13)
    np.testing.assert_allclose(given.vectors_NK.T @ given.vectors_NK, np.eye(graph.nodes), atol=1e-13)
    assert (np.diff(given.values_K) >= 0).all()
    for vector_N in given.vectors_NK.T:
        assert len(set(component_N[vector_N != 0])) == 1
    assert given.first_K.sum() == component_N.max() + 1
    np.testing.assert_allclose(given.values_K[given.first_K], 0.0, atol=1e-14)
    first_NC = given.vectors_NK[:, given.first_K]
    for vector_N in first_NC.T:
        own = vector_N != 0
        np.testing.assert_allclose(vector_N[own] ** 2, np.maximum(degree_N[own], 1) / max(degree_N[own].sum(), 1), atol=1e-13)


def test_a_large_component_gives_the_same_smallest_eigenpairs_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.labs.gnn.datasets.eigenpairs.WHOLE", 20)
    graph = built("ba", nodes=40)
    matrix_NN, component_N = laplacian_NN(graph.adjacency_NN()), components_N(graph)
    few, every = eigenpairs(matrix_NN, component_N, 5), eigenpairs(matrix_NN, component_N)
    assert len(few.values_K) == 6
    np.testing.assert_allclose(few.vectors_NK, every.vectors_NK[:, :6], atol=1e-9)


# -- each encoding is its definition ---------------------------------------------------------------------


@pytest.mark.parametrize("graph", [built("barbell", clique=4, path=2), TWO])
def test_every_encoding_is_its_definition(graph: Graph) -> None:
    adjacency_NN = graph.adjacency_NN()
    given = eigenpairs(laplacian_NN(adjacency_NN), components_N(graph))
    later_NK = given.vectors_NK[:, ~given.first_K][:, :4]
    laplacian, signnet = (double(name, graph, eigenvectors=4) for name in ("laplacian", "signnet"))
    np.testing.assert_array_equal(laplacian().numpy(), later_NK)

    w = weights(signnet)
    even = [gin(w, "phi", adjacency_NN, v_N[:, None]) + gin(w, "phi", adjacency_NN, -v_N[:, None]) for v_N in later_NK.T]
    hidden_NC = np.maximum(np.concatenate(even, axis=1) @ w["rho.0.weight"].T + w["rho.0.bias"], 0.0)
    np.testing.assert_allclose(signnet().detach().numpy(), hidden_NC @ w["rho.2.weight"].T + w["rho.2.bias"], atol=1e-11)

    for kept in (0, 5):
        spe = double("spe", graph, eigenvectors=kept)
        w, total_NP = weights(spe), 0.0
        values_K, vectors_NK = given.values_K[: kept or None], given.vectors_NK[:, : kept or None]
        z_KC = (1 - values_K)[:, None] @ w["phi.0.weight"].T + w["phi.0.bias"]
        scale_KM = (z_KC / (1 + np.exp(-z_KC))) @ w["phi.2.weight"].T + w["phi.2.bias"]
        matrices = [vectors_NK @ np.diag(column_K) @ vectors_NK.T for column_K in scale_KM.T]
        for j in range(graph.nodes):
            total_NP = total_NP + gin(w, "rho", adjacency_NN, np.stack([matrix_NN[:, j] for matrix_NN in matrices], axis=1))
        np.testing.assert_allclose(spe().detach().numpy(), total_NP, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["pyg", "csr"])
def test_every_way_to_pass_messages_gives_the_same_encoding(name: str, way: str) -> None:
    for graph in (RING, TWO):
        torch.testing.assert_close(double(name, graph, way, eigenvectors=4)(), double(name, graph, eigenvectors=4)(), rtol=0.0, atol=1e-11)


# -- signs, bases, small changes -------------------------------------------------------------------------


def turned(values: np.ndarray, vectors_NK: np.ndarray) -> np.ndarray:
    """Another orthonormal basis of the eigenvectors of every eigenvalue."""
    draws, out_NK = np.random.default_rng(3), vectors_NK.copy()
    for value in np.unique(values.round(9)):
        same = np.flatnonzero(abs(values - value) < 1e-8)
        out_NK[:, same] = vectors_NK[:, same] @ np.linalg.qr(draws.standard_normal((len(same), len(same))))[0]
    return out_NK


def encode(encoding: Encoding, values: np.ndarray, vectors_NK: np.ndarray) -> Tensor:
    return encoding.encode(torch.from_numpy(values), torch.from_numpy(vectors_NK)).detach()


@pytest.mark.parametrize(("name", "signs", "bases"), [("laplacian", False, False), ("signnet", True, False), ("spe", True, True)])
def test_who_cares_for_signs_and_who_for_a_basis(name: str, signs: bool, bases: bool) -> None:
    for graph in (RING, TWO, built("ring_of_cliques", cliques=4, size=3)):
        answer, encoding = PositionalEncoding.answer(name)(**({} if name == "spe" else {"eigenvectors": 4})), None
        encoding = double(name, graph, **answer.model_dump(exclude={"is"}))
        given = answer.choose(eigenpairs(laplacian_NN(graph.adjacency_NN()), components_N(graph)))
        before = encoding().detach()
        flipped = encoding(torch.tensor([(-1.0) ** k for k in range(len(given.values_K))], dtype=torch.float64)).detach()
        turned_NP = encode(encoding, given.values_K, turned(given.values_K, given.vectors_NK))
        for other, same in ((flipped, signs), (turned_NP, bases)):
            assert bool((other - before).abs().max() < 1e-9) is same


def test_what_knows_of_no_basis_says_the_same_of_nodes_that_a_symmetry_exchanges() -> None:
    ring_NP, grid_NP = (double("spe", graph)().detach() for graph in (RING, built("grid", rows=3, columns=3)))
    torch.testing.assert_close(ring_NP, ring_NP[:1].expand_as(ring_NP), rtol=0.0, atol=1e-9)
    for nodes in ((0, 2, 6, 8), (1, 3, 5, 7)):
        torch.testing.assert_close(grid_NP[list(nodes)], grid_NP[nodes[:1], :].expand(4, -1), rtol=0.0, atol=1e-9)
    assert (grid_NP[0] - grid_NP[1]).abs().max() > 1e-3 < (grid_NP[1] - grid_NP[4]).abs().max()
    apart_NP = double("signnet", RING)().detach()
    assert (apart_NP - apart_NP.mean(0)).abs().max() > 1e-3, "a basis was chosen, and it shows"


def changes(name: str) -> list[float]:
    """On C24, of each size: how much the encoding moves, signs brought together first, for each unit of noise."""
    answer, encoding = PositionalEncoding.answer(name)(), double(name, RING)
    matrix_NN, component_N = laplacian_NN(RING.adjacency_NN()), components_N(RING)
    noise = noise_NN(component_N, np.random.default_rng(0))
    given, before, out = answer.choose(eigenpairs(matrix_NN, component_N)), encoding().detach(), []
    for size in SIZES:
        other = answer.choose(eigenpairs(matrix_NN + size * noise, component_N))
        after = encode(encoding, other.values_K, aligned(other.vectors_NK, given.vectors_NK))
        out.append(float((after - before).norm()) / size)
    return out


def test_spe_moves_as_much_as_the_laplacian_and_the_others_jump() -> None:
    steady = changes("spe")
    assert max(steady) < 1.2 * min(steady)
    for name in ("laplacian", "signnet"):
        jumping = changes(name)
        assert max(jumping) > 1e4 * min(jumping)
        sizes = [size * change for size, change in zip(SIZES, jumping, strict=True)][:-1]
        assert max(sizes) < 1.5 * min(sizes), "a jump of one size, however little the Laplacian moves"


def test_noise_has_length_one_and_keeps_components_apart_and_weights_open_every_gap() -> None:
    component_N = components_N(TWO)
    noise = noise_NN(component_N, generator(0, "noise"))
    assert np.linalg.norm(noise) == pytest.approx(1.0)
    assert (noise == noise.T).all()
    assert (noise[component_N[:, None] != component_N[None]] == 0).all()
    sizes = np.geomspace(1e-6, 1e-1, 6)
    gaps = [
        smallest_gap(eigenpairs(laplacian_NN(one), components_N(RING)).values_K)
        for one in opened(RING.adjacency_NN(), sizes, generator(0, "weights"))
    ]
    assert smallest_gap(eigenpairs(laplacian_NN(RING.adjacency_NN()), components_N(RING)).values_K) < 1e-14
    assert gaps == pytest.approx([gaps[0] * size / sizes[0] for size in sizes], rel=0.3)


# -- in the network --------------------------------------------------------------------------------------


@pytest.mark.parametrize("message_passing", ["plain", "nu_drew"])
@pytest.mark.parametrize("name", NAMES)
def test_an_encoding_is_trained_with_the_network_and_reaches_the_states(name: str, message_passing: str) -> None:
    lab = Gnn.model_validate(
        {"positional_encoding": name, "message_passing": message_passing, "width": 8, "graph": {"is": "ring", "distance": 5}}
    )
    model, batch = lab.model().train(), lab.batch(0)
    optimizer, before = torch.optim.SGD(model.parameters(), lr=0.1), [p.detach().clone() for p in model.parameters()]
    for step in range(3):
        optimizer.zero_grad(set_to_none=True)
        lab.loss(model, batch, step)["train"].backward()
        optimizer.step()
    moved = {key for (key, now), then in zip(model.named_parameters(), before, strict=True) if not torch.equal(now, then)}
    assert {key for key in dict(model.named_parameters()) if key.startswith("encoding.")} <= moved
    x_ND = batch["x"][0]
    width = x_ND.shape[-1] + model.encoding.channels
    assert model.encoded(batch["x"])[0].shape == (len(x_ND), width)
    assert torch.equal(model.encoded(batch["x"])[0, :, : x_ND.shape[-1]], x_ND)
    assert not any(key.startswith(("encoding.values", "encoding.vectors")) for key in model.state_dict())


def test_signs_are_drawn_from_seed_and_step_alone_in_training_alone() -> None:
    lab = Gnn.model_validate({"positional_encoding": "laplacian", "seed": 3})
    drawn = [lab.positional_encoding.signs(seed, step) for seed, step in ((3, 0), (3, 1), (4, 0), (3, 0))]
    assert drawn[0] is not None
    assert set(drawn[0].tolist()) <= {-1.0, 1.0}
    assert torch.equal(drawn[0], drawn[3])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    model, batch = lab.model(), lab.batch(0)
    training = [lab.loss(model.train(), batch, step)["train"].item() for step in (0, 1, 0)]
    evaluation = [lab.loss(model.eval(), batch, step)["train"].item() for step in (0, 1)]
    assert training[0] == training[2] != training[1]
    assert evaluation[0] == evaluation[1]
    for name in ("none", "signnet", "spe"):
        assert PositionalEncoding.answer(name)().signs(3, 0) is None


def test_the_three_encodings_begin_with_the_same_network_behind_them() -> None:
    first, *others = (dict(Gnn.model_validate({"positional_encoding": name}).model().passing.named_parameters()) for name in NAMES)
    for other in others:
        assert first.keys() == other.keys()
        assert all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(
    ("encoding", "graph", "sentence"),
    [
        ("laplacian", {"is": "complete", "nodes": 5}, r"^8 eigenvectors were asked for, and a graph of 5 nodes in 1 component has 4 .*\.$"),
        ("signnet", {"is": "complete", "nodes": 5}, r"^8 eigenvectors were asked for, .*; give fewer eigenvectors or a larger graph\.$"),
        ({"is": "spe", "eigenvectors": 6}, {"is": "complete", "nodes": 5}, r"^6 eigenvectors were asked for, .* or 0 for all of them\.$"),
        ("spe", {"is": "ba", "nodes": 513}, r"^the graph has 513 nodes, and positional_encoding=spe.* at most 512; choose a smaller graph"),
    ],
)
def test_too_few_or_too_many_nodes_are_said_in_one_sentence(encoding: Any, graph: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Gnn.model_validate({"positional_encoding": encoding, "graph": graph}).model()
