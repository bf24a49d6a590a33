"""Every task builds, trains and is read by the probes, with classes or with numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from engine.core.catalog import Catalog
from engine.labs.gnn._verdict import Signs, verdicts
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.probes.accuracy import Accuracy
from engine.labs.gnn.probes.rmse import RootMeanSquareError
from engine.labs.gnn.remedies.task import Task
from engine.labs.probe import Probe, Step

ON: dict[str, dict[str, Any]] = {  # the graph of each task
    "transfer": {"graph": {"is": "ring", "distance": 2}, "norm": "none"},
    "poisson": {"graph": {"is": "mesh", "nodes": 60}, "task": {"is": "poisson", "examples_trained": 6}, "layers": 3},
}
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
    lab = lab_of(name)
    first, *_, last = readings(lab, 3)
    assert last["loss"] < first["loss"]
    for kind in (kind for kind in GRAPH_PROBES.values() if kind not in (Accuracy, RootMeanSquareError)):
        assert {metric.name for metric in kind.metrics} & last.keys(), f"{kind.__name__} reads something"
    score, other = ("rmse", "accuracy") if name == "poisson" else ("accuracy", "rmse")
    assert math.isfinite(last[f"{score}/train"])
    assert math.isfinite(last[f"{score}/validation"])
    assert not any(metric.startswith(other) for metric in last), "what does not apply is not read"
    examples = lab.all_examples
    trained = len(lab.batch(0)["x"])
    assert all(example < trained and max(read, holds) < examples.graph.nodes for example, read, holds in lab.pairs())


@pytest.mark.parametrize("name", Task.answers())
def test_the_data_seed_alone_decides_the_examples_of_a_task(name: str) -> None:
    one, same = (lab_of(name, seed=seed, data_seed=3).all_examples for seed in (0, 1))
    assert torch.equal(one.x_BND, same.x_BND)
    assert torch.equal(one.answer, same.answer)


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
        ({"rewiring": {"is": "piorf"}}, "rewiring=piorf does not go with graph=ring: .* Give graph as mesh"),
        ({"rewiring": {"is": "piorf_degree"}}, "rewiring=piorf_degree does not go with graph=ring"),
    ],
)
def test_what_needs_a_mesh_is_refused_without_one(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gnn.model_validate(given)


def test_a_task_of_numbers_has_a_verdict_by_its_error() -> None:
    faint = Signs(under_reach=0.0, ratio=1e-4, energy=1.0, reach=1.0, rmse=0.9)
    name, sentence = verdicts(faint)[0]
    assert name == "over-squashing"
    assert sentence.endswith("the error of the numbers is 0.9, where always saying 0 has 1.")
    assert not any("Not measured" in text for _, text in verdicts(faint))
    assert verdicts(Signs(under_reach=0.0, ratio=1e-4, energy=1.0, reach=1.0, rmse=0.2))[0][0] == ""
