"""Virgo's variances are those of its authors' code and of plain matrix algebra, and they keep what they say they keep."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from engine.declare.rules import broken
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.variances import harmonic, kept_backward, kept_forward
from engine.labs.gnn.datasets.walks import convolution_NN
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.remedies.initialisation import Setting
from engine.labs.gnn.remedies.initialisation.virgo import Virgo
from tests.support.authors import recorded

GIVEN, RECORDED = recorded("virgo")
BA = {"graph": {"is": "ba", "nodes": 40, "links": 2}, "layers": 6, "norm": "none", "device": "cpu"}


@pytest.mark.parametrize("name", GIVEN)
def test_the_variances_are_those_of_the_authors(name: str) -> None:
    given, expected = GIVEN[name], RECORDED[name]
    features, width, classes = given["widths_in_hidden_out"]
    graph = Graph.of(given["nodes"], given["edges"])
    layers = [convolution_NN(graph)] * given["layers"]
    mean_1N = np.array(given["features"]).mean(axis=1)[None]
    forward, backward = kept_forward(layers, mean_1N, features, width), kept_backward(layers, graph.nodes, width, classes)
    np.testing.assert_allclose(forward, expected["variance_forward"], rtol=1e-12)
    np.testing.assert_allclose(backward, expected["variance_backward"], rtol=1e-12)
    np.testing.assert_allclose(harmonic(forward, backward), expected["variance_harmonic"], rtol=1e-12)


@pytest.mark.parametrize("part", ["forward", "backward", "harmonic"])
def test_the_limits_of_a_network_are_those_of_dense_matrices_with_the_identity_for_its_head(part: str) -> None:
    lab = Gnn.model_validate({**BA, "layers": 3, "rewiring": "fully_adjacent", "initialisation": {"is": "virgo", "part": part}})
    looped_NN = lab.given_graph.adjacency_NN() + np.eye(40)
    half_N = looped_NN.sum(axis=1) ** -0.5
    matrix_NN, mean_NN, head_NN = half_N[:, None] * looped_NN * half_N[None, :], np.full((40, 40), 1.0 / 40.0), np.eye(40)
    layers = [matrix_NN, matrix_NN, mean_NN, head_NN]
    mean_BN = lab.batch(0)["x"].numpy().mean(axis=2).astype(np.float64)
    c = [sum(float(np.linalg.norm(part_NN @ x_N)) ** 2 for x_N in mean_BN) for part_NN in products(layers)]
    e = [float(np.linalg.norm(part_NN @ np.ones(40))) ** 2 for part_NN in products([layer.T for layer in layers[::-1]])]
    forward = [2.0 / 5, *(2.0 / 64 * c[i - 1] / c[i] for i in range(1, 4))]
    backward = [*(2.0 / 64 * e[i - 1] / e[i] for i in (3, 2, 1)), 40 / (4 * e[0])]
    assert backward[-1] == pytest.approx(0.25), "the head alone: one over the classes but one"
    harmonic_mean = [2.0 / (1.0 / f + 1.0 / b) for f, b in zip(forward, backward, strict=True)]
    both = {"forward": forward, "backward": backward, "harmonic": harmonic_mean}
    weights = [parameter.detach() for parameter in lab.model().parameters() if parameter.ndim == 2]
    assert len(weights) == 4
    for weight, variance in zip(weights, both[part], strict=True):
        limit = (3.0 * variance) ** 0.5
        assert 0.95 * limit < float(weight.abs().max()) <= limit * (1 + 1e-6), "drawn evenly up to the limit"


def products(layers: list[np.ndarray]) -> list[np.ndarray]:
    """Of the first, of the first two, …: what has been applied is on the right."""
    return list(itertools.accumulate(layers, lambda before, layer: layer @ before))


def test_states_keep_their_variance_forward_and_gradients_theirs_backward_where_xavier_loses_both() -> None:
    """Powers of ten from the first layer to the last, and back, where the derivative by the last states is the same on all nodes."""
    lost = {}
    for name, choice in (
        ("xavier", "xavier"),
        ("forward", {"is": "virgo", "part": "forward"}),
        ("backward", {"is": "virgo", "part": "backward"}),
    ):
        rows = []
        for seed in range(3):
            lab = Gnn.model_validate({**BA, "seed": seed, "initialisation": choice})
            states = lab.model().passing.states(lab.batch(0)["x"])
            along_D = torch.randn(64, generator=torch.Generator().manual_seed(seed))
            first_BND, last_BND = states[1], states[-1]
            back_BND = torch.autograd.grad(last_BND, first_BND, along_D.expand_as(last_BND), retain_graph=True)[0]
            forward = last_BND.var(-1).mean() / first_BND.var(-1).mean()
            rows.append([forward.log10().item(), (back_BND.square().mean() / along_D.square().mean()).log10().item()])
        lost[name] = np.mean(rows, axis=0)
    assert (lost["xavier"] < -1.5).all()
    assert abs(lost["forward"][0]) < 0.6
    assert abs(lost["backward"][1]) < 0.6


def test_virgo_goes_with_graph_convolutions_one_after_the_other_alone() -> None:
    rules = [rule.json() for rule in Gnn.rules]
    usual: dict[str, Any] = {
        "initialisation": "virgo",
        "layer": "gcn",
        "message_passing": "plain",
        "rewiring": "none",
        "propagation": "auto",
    }
    assert broken(rules, usual) == []
    for other in ("gin", "sage", "gat", "gated_gcn"):
        (message,) = broken(rules, {**usual, "layer": other})
        assert "Give layer as gcn" in message
    for other in ("residual", "drew", "nu_drew"):
        assert any("Give message_passing as plain" in message for message in broken(rules, {**usual, "message_passing": other}))


@pytest.mark.parametrize(("feature", "classes", "words"), [(0.0, 5, "the features of every node have the mean 0"), (1.0, 1, "one class")])
def test_what_leaves_nothing_to_divide_by_is_refused_in_one_sentence(feature: float, classes: int, words: str) -> None:
    setting = Setting(torch.full((1, 3, 2), feature), [Graph.of(3, [(0, 1)])], classes)
    with pytest.raises(ValueError, match=rf"{words}.*; choose xavier or kaiming\.$"):
        Virgo().limits({"layer": (2, 4), "head": (4, classes)}, setting)
