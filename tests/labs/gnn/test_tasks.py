"""Every task builds, trains and is read by the probes, with classes or with numbers."""

from __future__ import annotations

import itertools
import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from engine.core.catalog import Catalog
from engine.labs.gnn._verdict import Signs, verdicts
from engine.labs.gnn.datasets.dictionary import neighbors_match, permutations_PK
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.probes.accuracy import Accuracy
from engine.labs.gnn.probes.rmse import RootMeanSquareError
from engine.labs.gnn.remedies.task import Task
from engine.labs.probe import Probe, Step
from tests.support.graphs import built, to_networkx

ON: dict[str, dict[str, Any]] = {  # the graph of each task
    "transfer": {"graph": {"is": "ring", "distance": 2}, "norm": "none"},
    "neighbors_match": {"graph": {"is": "tree", "distance": 2}, "norm": "none"},
    "node_labels": {"graph": {"is": "sbm", "size": 8}, "norm": "none"},
    "commute_time": {"graph": {"is": "molecules"}, "norm": "none"},
    "stored_labels": {"graph": {"is": "stored", "graphs": 4}, "norm": "none"},
    "poisson": {"graph": {"is": "mesh", "nodes": 60}, "task": {"is": "poisson", "examples_trained": 6}, "layers": 3},
}
pytestmark = pytest.mark.usefixtures("stored_set")
GRAPH_PROBES = {name: kind for name, kind in Catalog("probes", Probe).load()[0].items() if kind.needs == "graph"}


def lab_of(name: str, **more: Any) -> Gnn:
    return Gnn.model_validate({"device": "cpu", "width": 8, "task": {"is": name}, **ON[name], **more})


def readings(lab: Gnn, steps: int) -> list[dict[str, Any]]:
    """Of every probe that asks for graphs, at every step of a short training."""
    model = lab.model().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    probes, out = [kind(lab, model) for kind in GRAPH_PROBES.values()], []
    for number in range(steps):
        step = Step(number, steps, lab, model, lab.batch(number), {}, optimizer, 3e-3)
        due = [probe for probe in probes if probe.due(number, steps)]
        for probe in due:
            probe.prepare(step)
        step.losses = lab.loss(model, step.batch, number)
        optimizer.zero_grad()
        step.losses["train"].backward()
        found = [("loss", step.losses["train"])]
        found += [(reading.metric, reading.value) for probe in due for reading in probe.gradients(step)]
        optimizer.step()
        found += [(reading.metric, reading.value) for probe in due for reading in probe.after(step)]
        out.append({name: torch.as_tensor(value).tolist() for name, value in found})
    return out


@pytest.mark.parametrize("name", Task.answers())
def test_a_task_builds_trains_and_is_read_by_every_probe_of_graphs(name: str) -> None:
    first, *_, last = readings(lab_of(name), 3)
    assert last["loss"] < first["loss"]
    first, *_ = readings(lab_of(name, positional_encoding={"is": "laplacian", "eigenvectors": 2}), 1)
    last = first | last
    for kind in (kind for kind in GRAPH_PROBES.values() if kind not in (Accuracy, RootMeanSquareError)):
        assert {metric.name for metric in kind.metrics} & last.keys(), f"{kind.__name__} reads something"
    score, other = ("rmse", "accuracy") if name in ("poisson", "commute_time") else ("accuracy", "rmse")
    assert math.isfinite(last[f"{score}/train"])
    assert math.isfinite(last[f"{score}/validation"])
    assert not any(metric.startswith(other) for metric in last), "what does not apply is not read"
    lab = lab_of(name)
    examples = lab.all_examples
    trained = len(lab.batch(0)["x"])
    assert all(example < trained and max(read, holds) < examples.graph.nodes for example, read, holds in lab.pairs())


@pytest.mark.parametrize("name", Task.answers())
def test_the_data_seed_alone_decides_the_examples_of_a_task(name: str) -> None:
    one, same = (lab_of(name, seed=seed, data_seed=3).all_examples for seed in (0, 1))
    assert torch.equal(one.x_BND, same.x_BND)
    assert torch.equal(one.answer, same.answer)


def test_the_question_at_the_root_is_answered_by_the_leaf_with_its_key() -> None:
    lab = lab_of("neighbors_match")
    examples, leaves = lab.all_examples, [3, 4, 5, 6]
    assert len(examples.x_BND) == 96, "as published for depth 2"
    assert len({tuple(x_ND.flatten().tolist()) for x_ND in examples.x_BND}) == 96
    for x_ND, answer in zip(examples.x_BND, examples.answer.tolist(), strict=True):
        asked = x_ND[0].tolist()
        assert asked[4:] == [0.0] * 4, "the root knows no value"
        (leaf,) = (node for node in leaves if x_ND[node, :4].tolist() == asked[:4])
        assert int(x_ND[leaf, 4:].argmax()) == answer
        assert sorted(x_ND[leaves, 4:].argmax(-1).tolist()) == [0, 1, 2, 3]
        assert not x_ND[1:3].any(), "inner nodes know nothing"
    assert sorted(holds for _, _, holds in lab.pairs()) == leaves
    assert lab.depth() == 2
    pruned = lab_of("neighbors_match", edits="~6").all_examples
    assert (len(pruned.x_BND), pruned.x_BND.shape[1], pruned.answers) == (18, 6, 3), "an edit may take a leaf, and its key goes along"
    with pytest.raises(ValueError, match=r"^~0 removes the root, which is read and without which there is no task; keep it\.$"):
        lab_of("neighbors_match", edits="~0").ends()


def test_more_orders_than_asked_for_are_drawn_and_all_are_different() -> None:
    drawn = permutations_PK(5, 50, np.random.default_rng(0))
    assert len({tuple(order) for order in drawn.tolist()}) == 50
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in drawn.tolist())
    for graph, message in (
        (Graph.of(3, [(0, 1), (1, 2)]), "the tree has 1; take back"),
        (built("tree", distance=8), "numbers, and at most"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            neighbors_match(graph, 0, 1000, np.random.default_rng(0))
        assert str(caught.value).endswith(".")


def test_each_node_is_asked_for_its_block_in_training_or_in_validation_and_never_in_both() -> None:
    lab = lab_of("node_labels", edits="~3", rewiring={"is": "random"})
    train, (other,) = lab.batch(0)["answer"][0], (batch["answer"][0] for batch in lab.validation())
    assert torch.equal((train >= 0) ^ (other >= 0), torch.ones(31, dtype=torch.bool))
    label_N = torch.tensor([0] * 7 + [1] * 8 + [2] * 8 + [3] * 8)
    assert torch.equal(torch.maximum(train, other), label_N), "the removed node took its label along"
    assert int((train >= 0).sum()) == 6
    assert lab.rewired_graph.label_N is lab.given_graph.label_N
    said = torch.nn.functional.one_hot(label_N, 4)[None].float()
    assert lab.scores(said, train[None])["accuracy"] == lab.scores(said, other[None])["accuracy"] == 1.0
    wrong = said.roll(1, dims=-1)
    wrong[0, train < 0] = said[0, train < 0]
    assert lab.scores(wrong, train[None])["accuracy"] == 0.0, "what is not asked for does not count"
    assert lab.task.loss(100.0 * said, train[None]).item() == pytest.approx(0.0, abs=1e-6)


def test_the_pair_has_the_commute_time_of_its_rank_and_the_answer_mixes_its_two_numbers() -> None:
    for quantile in (0.0, 0.5, 1.0):
        lab = lab_of("commute_time", task={"is": "commute_time", "quantile": quantile})
        made = to_networkx(lab.given_graph)
        times = {pair: 2 * made.number_of_edges() * nx.resistance_distance(made, *pair) for pair in itertools.combinations(made, 2)}
        ranked = sorted(times.values())
        assert times[lab.ends()] == pytest.approx(ranked[round(quantile * (len(ranked) - 1))])
    examples, (read, holds) = lab.all_examples, lab.ends()
    x_BN = examples.x_BND[..., 0].double().numpy()
    others = np.delete(x_BN, [read, holds], axis=1)
    assert not others.any()
    assert np.corrcoef(np.tanh(x_BN[:, read] + x_BN[:, holds]), examples.answer.numpy())[0, 1] == pytest.approx(1.0, abs=1e-6)
    said = lab.model()(examples.x_BND[:3])
    last_BND = lab.model().passing.states(examples.x_BND[:3])[-1]
    assert torch.equal(said, lab.model().head(last_BND.max(dim=1).values)), "read off the maximum over all nodes"


@pytest.mark.parametrize("seed", range(3))
def test_a_molecule_is_a_tree_of_few_bonds_with_rings_of_five_and_six(seed: int) -> None:
    bare, ringed = (built("molecules", seed, atoms=24, rings=rings) for rings in (0, 3))
    assert nx.is_tree(to_networkx(bare))
    assert set(bare.pairs) < set(ringed.pairs)
    assert len(ringed.pairs) == 24 - 1 + 3
    assert ringed.degree_N.max() <= 4
    assert all(3 < len(ring) <= 6 for ring in nx.minimum_cycle_basis(to_networkx(ringed)))


def test_chance_is_the_share_of_the_most_frequent_class() -> None:
    assert readings(lab_of("transfer"), 1)[0]["accuracy/chance"] == pytest.approx(0.2)
    lab = lab_of("node_labels")
    assert lab.scores(torch.zeros(1, 4, 3), torch.tensor([[2, 2, 0, -100]]))["chance"].item() == pytest.approx(2 / 3)
    half = {"under_reach": 0.0, "ratio": 1e-4, "energy": 1.0, "reach": 1.0, "accuracy": 0.7}
    assert [verdicts(Signs(**half, chance=chance))[0][0] for chance in (0.2, 0.5)] == ["", "over-squashing"]


def test_the_error_of_numbers_is_the_root_mean_square_and_1_for_saying_0() -> None:
    lab = lab_of("poisson")
    answer = lab.batch(0)["answer"]
    assert lab.scores(torch.zeros(*answer.shape, 1), answer)["rmse"].item() == pytest.approx(1.0, rel=1e-5)
    assert lab.scores(answer[..., None] + 0.5, answer)["rmse"].item() == pytest.approx(0.5, rel=1e-5)
    first = readings(lab, 1)[0]
    assert first["rmse/train"] == pytest.approx(first["loss"] ** 0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": {"is": "poisson"}}, "task=poisson does not go with graph=ring: .* Give graph as mesh"),
        ({"task": {"is": "neighbors_match"}}, "task=neighbors_match does not go with graph=ring: .* Give graph as tree"),
        ({"task": {"is": "node_labels"}}, "task=node_labels does not go with graph=ring: .* Give graph as sbm"),
        ({"rewiring": {"is": "piorf"}}, "rewiring=piorf does not go with graph=ring: .* Give graph as mesh"),
        ({"rewiring": {"is": "piorf_degree"}}, "rewiring=piorf_degree does not go with graph=ring"),
    ],
)
def test_what_needs_a_certain_graph_is_refused_without_it(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gnn.model_validate(given)


def test_a_task_of_numbers_has_a_verdict_by_its_error() -> None:
    faint = Signs(under_reach=0.0, ratio=1e-4, energy=1.0, reach=1.0, rmse=0.9)
    name, sentence = verdicts(faint)[0]
    assert name == "over-squashing"
    assert sentence.endswith("the error of the numbers is 0.9, where always saying their mean has 1.")
    assert not any("Not measured" in text for _, text in verdicts(faint))
    assert verdicts(Signs(under_reach=0.0, ratio=1e-4, energy=1.0, reach=1.0, rmse=0.2))[0][0] == ""
