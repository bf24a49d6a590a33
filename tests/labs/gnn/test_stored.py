"""Sets that others give away are read as PyTorch Geometric reads them, run no code, and say in one sentence what is wrong with them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.io import read_tu_data

from engine.core.paths import ROOT
from engine.labs.gnn.datasets.examples import UNASKED
from engine.labs.gnn.datasets.stored import StoredGraph, stored
from engine.labs.gnn.gnn import Gnn
from tests.support.stored_sets import RINGS, edges_of, kinds_of, write_text_set

NODES = [ring + tail for ring, tail in RINGS]


def tensors(graph: int, answers: torch.Tensor | None = None) -> tuple[Any, ...]:
    """One graph as LRGB has it in raw files: features, features of edges, edges, answers."""
    ring, tail = RINGS[graph]
    pairs = torch.tensor(edges_of(ring, tail)).t()
    both = torch.cat([pairs, pairs.flip(0)], dim=1)
    return torch.tensor(kinds_of(ring, tail))[:, None], torch.zeros(both.shape[1], 1), both, answers


def write_raw(folder: Path, graphs: list[tuple[Any, ...]]) -> None:
    (folder / "raw").mkdir(parents=True)
    torch.save(graphs, folder / "raw" / "train.pt")


def write_processed(folder: Path, graphs: list[tuple[Any, ...]]) -> None:
    """As PyTorch Geometric writes what it has processed."""
    (folder / "processed").mkdir(parents=True)
    data = [Data(x=x, edge_index=edges, edge_attr=of_edges, y=y) for x, of_edges, edges, y in graphs]
    InMemoryDataset.save(data, str(folder / "processed" / "train.pt"))


@pytest.mark.parametrize("attributes", [False, True])
def test_text_files_are_read_as_pytorch_geometric_reads_them(tmp_path: Path, attributes: bool) -> None:
    write_text_set(tmp_path / "SET", "SET", attributes=attributes)
    data, slices, _ = read_tu_data(str(tmp_path / "SET"), "SET")
    graph = stored("SET", 1, 3, 0, tmp_path)
    assert graph.nodes == sum(NODES[1:4])
    start, end = int(slices["x"][1]), int(slices["x"][4])
    kinds = data.x[start:end].double().numpy()[:, -3:]
    assert np.array_equal(graph.feature_ND[:, -3:], kinds)
    if attributes:
        quantities = data.x[start:end].double().numpy()[:, :2]
        assert graph.feature_ND[:, :2] == pytest.approx((quantities - quantities.mean(0)) / quantities.std(0), abs=1e-6)
    offset, pairs = 0, set()
    for g in (1, 2, 3):
        edges = data.edge_index[:, int(slices["edge_index"][g]) : int(slices["edge_index"][g + 1])] + offset
        pairs |= {(min(a, b), max(a, b)) for a, b in edges.t().tolist()}
        assert set(graph.label_N[graph.part_N == g - 1].tolist()) == {int(data.y[g])}
        offset += NODES[g]
    assert set(graph.pairs) == pairs


@pytest.mark.parametrize("write", [write_raw, write_processed])
def test_tensor_files_give_the_same_graphs_as_text(tmp_path: Path, write: Callable[..., None]) -> None:
    write_text_set(tmp_path / "SET", "SET")
    answers = [torch.tensor([[float(ring > 6), float(ring % 2)]]) for ring, _ in RINGS]
    write(tmp_path / "LONG", [tensors(g, y) for g, y in enumerate(answers)])
    text, other = stored("SET", 0, 4, 0, tmp_path), stored("LONG", 0, 4, 1, tmp_path)
    assert other.pairs == text.pairs
    for field in ("feature_ND", "label_N", "part_N"):
        assert np.array_equal(getattr(other, field), getattr(text, field)), field
    assert not np.array_equal(stored("LONG", 0, 4, 0, tmp_path).label_N, text.label_N), "another column"


@pytest.mark.parametrize("write", [write_raw, write_processed])
def test_classes_of_nodes_are_what_is_asked_for_where_a_set_has_them(tmp_path: Path, write: Callable[..., None]) -> None:
    write(tmp_path / "SP", [tensors(g, torch.tensor(kinds_of(*RINGS[g])) + 5) for g in range(3)])
    assert stored("SP", 1, 1, 0, tmp_path).label_N.tolist() == [1, *[0] * 4], "kinds 7 and 5, counted anew"


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "harmed"),)

    (tmp_path / "BAD" / "raw").mkdir(parents=True)
    torch.save([Harmful()], tmp_path / "BAD" / "raw" / "train.pt")
    with pytest.raises(ValueError, match="cannot be read as plain tensors"):
        stored("BAD", 0, 1, 0, tmp_path)
    with open(tmp_path / "BAD" / "raw" / "train.pt", "wb") as file:
        pickle.dump([Harmful()], file)
    with pytest.raises(ValueError, match="cannot be read as plain tensors"):
        stored("BAD", 0, 1, 0, tmp_path)
    assert not (tmp_path / "harmed").exists()


def spoil(name: str, part: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / f"{name}_{part}.txt").write_text(text)


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "no indicator": (lambda folder: (folder / "SET_graph_indicator.txt").unlink(), "SET_graph_indicator.txt is not in"),
    "words": (spoil("SET", "A", "one, two\n"), "no table of numbers"),
    "a ragged table": (spoil("SET", "A", "1, 2\n3\n"), "no table of numbers"),
    "an end that is not there": (spoil("SET", "A", "1, 999\n"), "names other nodes"),
    "an end before the first": (spoil("SET", "A", "0, 1\n"), "names other nodes"),
    "half a node": (spoil("SET", "A", "1.5, 2\n"), "not whole"),
    "a NaN": (spoil("SET", "node_labels", "nan\n" * sum(NODES)), "no finite numbers"),
    "an edge between graphs": (spoil("SET", "A", f"1, {NODES[0] + 1}\n"), "joins nodes of two graphs"),
    "graphs out of order": (spoil("SET", "graph_indicator", "2\n1\n"), "from 1 upwards"),
    "labels of fewer graphs": (spoil("SET", "graph_labels", "1\n"), "1 labels of graphs"),
    "kinds of fewer nodes": (spoil("SET", "node_labels", "1\n2\n"), "2 lines that describe them"),
}


@pytest.mark.filterwarnings("ignore:loadtxt")
@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_set_says_in_one_sentence_what_is_wrong(tmp_path: Path, how: str) -> None:
    write_text_set(tmp_path / "SET", "SET")
    change, part = SPOILT[how]
    change(tmp_path / "SET")
    with pytest.raises(ValueError, match=r"\.$") as refused:
        stored("SET", 0, 2, 0, tmp_path)
    assert part in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ([], "it has graphs"),
        ({"x": 1}, "does not hold graphs"),
        ([(torch.zeros(2, 1), torch.zeros(1, 1), torch.tensor([[0], [5]]), torch.zeros(1, 1))], "joins nodes"),
        ([(torch.full((2, 1), torch.nan), None, torch.tensor([[0], [1]]), torch.zeros(1, 1))], "no finite numbers"),
        ([(torch.zeros(2, 1), None, torch.tensor([[0], [1]]), torch.full((1, 3), 0.5))], "numbers and no classes"),
        ([(torch.zeros(2, 1), None, torch.tensor([[0], [1]]), torch.full((1, 3), torch.inf))], "numbers and no classes"),
        ([(torch.zeros(2, 1), None, torch.tensor([[0], [1]]), torch.zeros(1, 0))], "does not hold graphs"),
        ([(torch.zeros(2, 1), None, torch.zeros(3, 5, dtype=torch.long), torch.zeros(1, 1))], "does not hold graphs"),
        ([(torch.zeros(2, 1), None, torch.full((2, 1), torch.nan), torch.zeros(1, 1))], "does not hold graphs"),
        ([(torch.zeros(2, 1).to_sparse(), None, torch.tensor([[0], [1]]), torch.zeros(1, 1))], "does not hold graphs"),
        ([(torch.zeros(2, 1, dtype=torch.complex64), None, torch.tensor([[0], [1]]), torch.zeros(1, 1))], "does not hold graphs"),
        (({"x": torch.zeros(2, 1)},), "does not hold graphs"),
        (
            ({"x": torch.zeros(2, 1), "edge_index": torch.zeros(2, 1)}, dict.fromkeys(("x", "edge_index"), torch.tensor([0, 9]))),
            "does not hold",
        ),
    ],
)
def test_a_spoilt_tensor_file_says_what_is_wrong(tmp_path: Path, content: Any, part: str) -> None:
    write_raw(tmp_path / "BAD", content)
    with pytest.raises(ValueError, match=r"\.$") as refused:
        stored("BAD", 0, 1, 0, tmp_path)
    assert part in str(refused.value)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"The set ZINC is not in .*; put the text files"):
        stored("ZINC", 0, 1, 0, tmp_path)
    write_text_set(tmp_path / "SET", "SET")
    with pytest.raises(ValueError, match="graphs 4 to 6 of SET are asked for and it has graphs 0 to 5"):
        stored("SET", 4, 3, 0, tmp_path)
    write_text_set(tmp_path / "LARGE", "LARGE", [(1500, 1), (1500, 0)])
    assert stored("LARGE", 0, 1, 0, tmp_path).nodes == 1501
    with pytest.raises(ValueError, match="3,001 nodes and at most 2,000"):
        stored("LARGE", 0, 2, 0, tmp_path)


def lab(**more: Any) -> Gnn:
    graph = {"is": "stored", **more.pop("graph", {})}
    return Gnn.model_validate({"device": "cpu", "width": 8, "graph": graph, "task": {"is": "stored_labels"}, "norm": "none", **more})


def test_graphs_are_trained_on_or_held_out_as_a_whole(stored_set: Path) -> None:
    examples = lab(graph={"graphs": 6}, task={"is": "stored_labels", "trained": 0.5}).all_examples
    graph = examples.graph
    assert isinstance(graph, StoredGraph)
    trained_N, held_N = (examples.answer[row].numpy() != UNASKED for row in (0, 1))
    assert np.array_equal(trained_N, ~held_N)
    shares = [trained_N[graph.part_N == part].mean() for part in range(6)]
    assert sorted(shares) == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    asked = np.where(trained_N, examples.answer[0], examples.answer[1])
    assert np.array_equal(asked, graph.label_N)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"graph": {"graphs": 1}}, "all chosen graphs have the same label"),
        ({"graph": {"graphs": 4}, "edits": "~2"}, "remove no node by hand"),
    ],
)
def test_what_cannot_be_asked_is_said(stored_set: Path, more: dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError, match=part):
        lab(**more).all_examples  # noqa: B018


def test_only_a_stored_set_has_stored_labels() -> None:
    with pytest.raises(ValueError, match="only a stored set has labels of its own"):
        Gnn.model_validate({"device": "cpu", "task": {"is": "stored_labels"}})


def test_edits_and_rewirings_keep_what_the_set_says(stored_set: Path) -> None:
    made = lab(graph={"graphs": 2}, edits="+0-3", rewiring={"is": "random", "edges": 3})
    given, rewired = made.given_graph, made.rewired_graph
    assert (0, 3) in given.pairs
    assert len(rewired.pairs) == len(given.pairs) + 3
    assert np.array_equal(rewired.label_N, given.label_N)
    assert np.array_equal(rewired.feature_ND, given.feature_ND)


def test_another_label_or_kind_in_the_set_is_other_data(tmp_path: Path) -> None:
    """A run is resumed only on the data that it began with, which its provenance knows by this."""
    write_text_set(tmp_path / "SET", "SET")
    before = stored("SET", 0, 2, 0, tmp_path).digest()
    assert stored("SET", 0, 2, 0, tmp_path).digest() == before
    for part, old, new in (("node_labels", "1", "3"), ("graph_labels", "-1", "1")):
        path = tmp_path / "SET" / f"SET_{part}.txt"
        path.write_text(path.read_text().replace(f"{old}\n", f"{new}\n", 1))
        after = stored("SET", 0, 2, 0, tmp_path).digest()
        assert after != before
        before = after


def test_text_is_read_without_torch(stored_set: Path) -> None:
    """For panels, which are to answer in milliseconds."""
    code = (
        "import sys, numpy; from engine.labs.gnn.remedies.graph import GraphChoice; "
        "print(GraphChoice.answer('stored')(graphs=3).build(numpy.random.default_rng(0)).nodes, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(sum(NODES[:3])), "False"]
