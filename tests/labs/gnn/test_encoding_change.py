"""What moves an encoding and how far: the panel, the probe and the chart of the eigengap, against plain numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from engine.labs.chart import RunStyle, charts
from engine.labs.gnn.datasets.draws import generator
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.panels.eigengap import COLOURS, SIZES, Eigengap
from engine.labs.gnn.probes.encoding_change import NOISE, EncodingChange
from engine.labs.probe import Step
from tests.support.stored import stored

C24 = {"graph": {"is": "ring", "distance": 12}, "laplacian": "combinatorial"}
CHART = charts()[0]["encoding_change"]
RUN = RunStyle("r", "one")


def panel(**knobs: Any) -> tuple[dict[str, Any], str]:
    shown = Eigengap.model_validate(knobs)
    frames = shown.compute()
    return frames, shown.sentence(frames)


# -- the panel -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_on_a_ring_smooth_functions_move_with_the_noise_and_eigenvectors_jump(seed: int) -> None:
    frames, sentence = panel(**C24, seed=seed)
    noise = {name: np.array(column) for name, column in frames["noise"].items()}
    steady = noise["smooth"] / noise["size"]
    assert steady.max() < 1.05 * steady.min()
    assert 1.5 < steady.min() < 2.0, "1.72 for one draw of the noise"
    assert noise["eigenvectors"].max() < 1.1 * noise["eigenvectors"].min(), "one size, whatever the noise"
    most = math.sqrt(2 * Eigengap.model_validate(C24).eigenvectors)  # of columns of length 1 without a negative number
    assert 0.5 < noise["eigenvectors"].min() < most, (
        "the basis decides which: there are infinitely many, and LAPACK has another on another CPU"
    )
    assert (noise["projectors"][:2] < 1e-4).all(), "equal eigenvalues are known as equal"
    assert noise["projectors"][-1] > 1.0, "until noise is above the tolerance"
    assert frames["facts"]["gap"][0] < 1e-14
    assert "is 0 up to rounding, and the eigenvectors jump" in sentence


def test_the_smallest_gap_decides_how_far_eigenvectors_move_and_says_nothing_of_smooth_functions() -> None:
    frames, _ = panel(**C24, noise=1e-6)
    gap, *moved = (np.array(frames["gaps"][name]) for name in ("gap", "eigenvectors", "smooth"))
    wide = gap > 1e-4
    assert 1 < wide.sum() < len(gap)
    ratio = moved[0][wide] * gap[wide] / 1e-6
    assert 0.05 < ratio.min() <= ratio.max() < 10.0, "as noise over gap"
    assert (moved[0][gap < 1e-7] > 0.5).all(), "and no further than all the way"
    assert moved[1].max() < 2.0 * moved[1].min(), "while the gap goes over seven orders of magnitude"


def test_eigenvectors_of_a_graph_without_equal_eigenvalues_follow_the_noise() -> None:
    frames, sentence = panel(graph={"is": "ba"})
    for name in COLOURS:
        assert frames["noise"][name][0] < 10 * SIZES[0]
    assert frames["facts"]["gap"][0] > 1e-3
    assert "the eigenvectors follow the noise" in sentence


def test_a_single_edge_moves_every_encoding_as_numpy_says() -> None:
    """On a graph of unequal eigenvalues, where |V| is one thing."""
    frames, _ = panel(graph={"is": "ws"}, eigenvectors=3)
    graph = Eigengap.model_validate({"graph": {"is": "ws"}}).graph.build(generator(0, "graph"))

    def without_sign(adjacency_NN: np.ndarray) -> np.ndarray:
        root_N = adjacency_NN.sum(1) ** -0.5
        return np.abs(np.linalg.eigh(np.eye(len(root_N)) - root_N[:, None] * adjacency_NN * root_N)[1][:, 1:4])

    own_NN = graph.adjacency_NN()
    assert len(frames["edges"]["a"]) == 16
    for a, b, moved in zip(*(frames["edges"][name] for name in ("a", "b", "eigenvectors")), strict=True):
        other_NN = own_NN.copy()
        other_NN[a, b] = other_NN[b, a] = 1.0 - own_NN[a, b]
        assert moved == pytest.approx(np.linalg.norm(without_sign(other_NN) - without_sign(own_NN)), rel=1e-6)


def test_a_graph_in_pieces_is_disturbed_within_its_pieces() -> None:
    frames, sentence = panel(graph={"is": "spatial", "nodes": 60, "radius": 0.12}, eigenvectors=2)
    assert all(math.isfinite(value) for name in COLOURS for value in frames["noise"][name])
    assert sentence.startswith("Noise of 1e-06 moves")


# -- the probe -------------------------------------------------------------------------------------------


def readings(**knobs: Any) -> tuple[dict[str, Any], Gnn, torch.nn.Module]:
    lab = Gnn.model_validate({"device": "cpu", "width": 8, "layers": 2, **knobs})
    model = lab.model().train()
    step = Step(0, 1, lab, model, lab.batch(0), {}, torch.optim.SGD(model.parameters(), lr=0.1), 0.1)
    found = {reading.metric: torch.as_tensor(reading.value).tolist() for reading in EncodingChange(lab, model).after(step)}
    return found, lab, model


def test_the_probe_reads_what_numpy_reads_and_leaves_the_network_as_it_was() -> None:
    found, lab, model = readings(positional_encoding={"is": "laplacian", "eigenvectors": 3}, graph={"is": "ws", "nodes": 20})
    adjacency_NN = lab.rewired_graph.adjacency_NN()
    root_N = adjacency_NN.sum(1) ** -0.5
    matrix_NN = np.eye(20) - root_N[:, None] * adjacency_NN * root_N
    noise = generator(0, "encoding_change/noise").standard_normal((20, 20))
    noise = (noise + noise.T) / np.linalg.norm(noise + noise.T)
    (values, before), (_, behind) = (np.linalg.eigh(matrix_NN + size * noise) for size in (0.0, NOISE))
    behind = behind * np.sign((before * behind).sum(0))
    expected = np.linalg.norm(behind[:, 1:4] - before[:, 1:4]) / math.sqrt(3)
    assert found["positional_encoding/change"] == pytest.approx(expected, rel=1e-4)
    assert found["positional_encoding/gap"] == pytest.approx(np.diff(values[1:5]).min(), rel=1e-6)
    assert np.allclose(np.abs(model.encoding().numpy()), np.abs(before[:, 1:4]), atol=1e-6), "put back"
    assert model.training


def test_on_a_ring_the_probe_tells_spe_from_the_others_at_every_gap() -> None:
    found = {name: readings(positional_encoding=name, graph={"is": "ring", "distance": 8})[0] for name in ("laplacian", "signnet", "spe")}
    for name, limit in (("laplacian", 0.3), ("signnet", 0.1)):
        assert found[name]["positional_encoding/change"] > limit
        assert found[name]["positional_encoding/changes"][0] > 10 * found[name]["positional_encoding/changes"][-1], (
            "large where the gap is small"
        )
    assert found["spe"]["positional_encoding/change"] < 10 * NOISE
    assert max(found["spe"]["positional_encoding/changes"]) < 1.2 * min(found["spe"]["positional_encoding/changes"])
    assert found["laplacian"]["positional_encoding/answer_change"] > 10 * found["spe"]["positional_encoding/answer_change"]
    assert found["spe"]["positional_encoding/spread"] < 1e-5, "of a ring it says the same everywhere"
    assert readings(positional_encoding="spe", graph={"is": "grid"})[0]["positional_encoding/spread"] > 1e-2
    gaps = found["spe"]["positional_encoding/gaps"]
    assert gaps == sorted(gaps)
    assert found["spe"]["positional_encoding/gap"] < 1e-14


def test_without_an_encoding_and_on_a_large_graph_nothing_is_read() -> None:
    assert readings()[0] == {}
    assert readings(positional_encoding="laplacian", graph={"is": "ring", "distance": 51})[0] == {}


# -- the chart -------------------------------------------------------------------------------------------


def test_the_chart_hides_no_gap_and_no_change() -> None:
    frame = stored(
        {
            "positional_encoding/change": 0.9,
            "positional_encoding/gap": 3e-17,
            "positional_encoding/changes": [0.5, 0.0, math.nan],
            "positional_encoding/gaps": [1e-6, 1e-4, 1e-2],
        }
    )
    traces = {trace.meta["kind"]: trace for trace in CHART.figure([RUN], {"r": frame}, {}).data if trace.x}
    assert list(traces["profile"].x) == [1e-12, 1e-6, 1e-4, 1e-2]
    assert list(traces["profile"].y) == [0.9, 0.5, None, None]
    assert traces["profile"].marker.symbol[0] == "star"
    assert list(traces["zero"].x) == [1e-4]
    assert list(traces["odd"].x) == [1e-2]
    assert CHART.sentences(RUN, frame) == ["On its own graph, with no gap, the encoding moves by 0.9 of its size for noise of 0.001."]
    table = CHART.table(RUN, frame)
    assert table is not None
    assert table["smallest gap"].to_list() == [3e-17, 1e-6, 1e-4, 1e-2]
