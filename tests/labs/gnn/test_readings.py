"""What a run of the lab stores of its graph and its messages: the published and recorded figures, through the probes of a real step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.probes.accuracy import Accuracy
from engine.labs.gnn.probes.graph_facts import GraphFacts
from engine.labs.gnn.probes.jacobian import Jacobian
from engine.labs.gnn.probes.layer_states import LayerStates
from engine.labs.probe import Probe, Step

GTR = {"graph": {"is": "barbell"}, "rewiring": {"is": "gtr", "edges": 6}}


def readings(knobs: dict[str, Any], *kinds: type[Probe]) -> dict[str, Any]:
    """One optimizer step of a run, and what the probes say of it."""
    lab = Gnn.model_validate({"device": "cpu", **knobs})
    model = lab.model().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    step = Step(0, 1, lab, model, lab.batch(0), {}, optimizer, 1e-3)
    probes = [kind(lab, model) for kind in kinds]
    for probe in probes:
        probe.prepare(step)
    step.losses = lab.loss(model, step.batch, 0)
    step.losses["train"].backward()
    found = [reading for probe in probes for reading in probe.gradients(step)]
    optimizer.step()
    found += [reading for probe in probes for reading in probe.after(step)]
    return {reading.metric: torch.as_tensor(reading.value).tolist() for reading in found}


def test_the_barbell_and_six_edges_of_gtr_have_the_recorded_resistance_and_gap() -> None:
    plain, rewired = readings({"graph": {"is": "barbell"}}, GraphFacts), readings(GTR, GraphFacts)
    assert plain["resistance/total"] == pytest.approx(882.0, abs=0.05)
    assert plain["spectral_gap"] == pytest.approx(0.0048, abs=5e-5)
    assert plain["graph/edges_added"] == 0
    assert rewired["resistance/total"] == pytest.approx(136.2, abs=0.05)
    assert rewired["spectral_gap"] == pytest.approx(0.0885, abs=5e-5)
    assert rewired["graph/edges_added"] == 6
    assert rewired["resistance/before"] == plain["resistance/total"]
    assert "resistance/random" not in plain, "nothing was added, so there is nothing to compare"
    assert len(rewired["resistance/random"]) == 99
    assert rewired["resistance/random"] == sorted(rewired["resistance/random"])
    assert rewired["resistance/total"] < rewired["resistance/random"][0]


@pytest.mark.parametrize("seed", range(3))
def test_four_random_edges_of_any_seed_stay_above_four_of_gtr(seed: int) -> None:
    rewired = readings({"graph": {"is": "barbell"}, "rewiring": {"is": "random", "edges": 4}, "seed": seed}, GraphFacts)
    assert rewired["resistance/total"] > 164.9


@pytest.mark.parametrize(("distance", "walk"), [(6, 2.74e-3), (10, 3.4e-5)])
def test_the_weight_of_the_walks_around_a_ring_is_the_recorded_one(distance: int, walk: float) -> None:
    assert readings({"graph": {"is": "ring", "distance": distance}}, GraphFacts)["theory/walk"] == pytest.approx(walk, rel=5e-3)


@pytest.mark.parametrize("layers", [4, 6])
def test_a_network_shorter_than_the_distance_is_told_by_a_zero(layers: int) -> None:
    found = readings({"graph": {"is": "ring", "distance": 6}, "layers": layers}, Jacobian)
    assert (found["jacobian/target"] == 0.0) == (layers == 4)
    assert found["under_reach"] == (1.0 if layers == 4 else 0.0)
    assert len(found["jacobian/by_distance"]) == 7


def test_curvatures_of_a_cycle_and_of_a_complete_graph_are_the_known_ones() -> None:
    cycle = readings({"graph": {"is": "ring", "distance": 4}}, GraphFacts)
    complete = readings({"graph": {"is": "complete", "nodes": 5}}, GraphFacts)
    names = ("balanced_forman", "ollivier", "augmented_forman")
    for name, on_cycle, on_complete in zip(names, (0.0, 0.0, 0.0), (1.25, 0.75, 5.0), strict=True):
        assert cycle[f"curvature/{name}"] == pytest.approx([on_cycle] * 8)
        assert complete[f"curvature/{name}"] == pytest.approx([on_complete] * 10)


def test_every_layer_has_its_energy_its_variance_and_its_gradient() -> None:
    found = readings({"graph": {"is": "ring", "distance": 6}, "norm": "none"}, LayerStates, Accuracy)
    assert len(found["dirichlet_energy"]) == len(found["variance/forward"]) == 7
    assert len(found["variance/backward"]) == 6
    assert found["dirichlet_energy/ratio"] == pytest.approx(found["dirichlet_energy"][-1] / found["dirichlet_energy"][1], rel=1e-5)
    assert found["gradient/reach"] == pytest.approx((found["variance/backward"][0] / found["variance/backward"][-1]) ** 0.5, rel=1e-5)
    assert found["accuracy/train"] == pytest.approx(0.2), "an untrained network says one class to everybody"
    assert found["error/train"] == pytest.approx(0.8)


def test_a_graph_in_two_parts_has_an_infinite_resistance_and_no_way_to_the_target() -> None:
    cut = readings({"graph": {"is": "barbell"}, "edits": "-9-10", "layers": 9}, GraphFacts, Jacobian)
    assert cut["resistance/total"] == float("inf")
    assert cut["spectral_gap"] == pytest.approx(0.0, abs=1e-12)
    assert cut["theory/walk"] == 0.0
    assert cut["jacobian/target"] == 0.0


def test_a_graph_without_edges_has_no_task() -> None:
    lab = Gnn.model_validate({"graph": {"is": "spatial", "nodes": 5, "radius": 0.01}})
    with pytest.raises(ValueError, match=r"^node 0 would be read and hold the class itself, .*; choose a graph with edges\.$"):
        lab.model()


def test_the_seed_of_the_data_draws_graph_and_rewiring() -> None:
    knobs = {"graph": "ba", "rewiring": "random", "data_seed": 5}
    one, other = (Gnn.model_validate({**knobs, "seed": seed}).rewired_graph.pairs for seed in (0, 1))
    assert one == other != Gnn.model_validate({**knobs, "data_seed": 6}).rewired_graph.pairs
    assert (
        Gnn.model_fields["data_seed"].description
        == "seed of random graphs, of the rewiring and of random examples; empty means the same as seed"
    )
    assert list(Gnn.model_fields)[:2] == ["seed", "data_seed"]


def test_an_edit_may_not_take_away_what_the_task_needs() -> None:
    lab = Gnn.model_validate({"graph": {"is": "ring", "distance": 4}, "edits": "~4"})
    with pytest.raises(ValueError, match=r"~4 removes the node that holds the class, without which there is no task; keep it\."):
        lab.model()
