"""The four numbers that tell one failure from another, each against an independent computation, and the sentence they give."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from engine.labs.gnn._verdict import Signs, verdicts
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.gnn import Gnn
from engine.labs.gnn.models.layers import gcn_operator
from engine.labs.gnn.probes.jacobian import by_distance, sensitivity
from engine.labs.gnn.probes.layer_states import dirichlet_energy
from engine.labs.gnn.remedies.graph import GraphChoice

BARBELL = {"graph": {"is": "barbell"}, "norm": "batch"}


def exact(lab: Gnn, read: int) -> tuple[np.ndarray, np.ndarray]:
    """-> |∂h_read/∂x_u| of every node by the whole Jacobian, and the probe's estimate."""
    model, x_ND = lab.model(), lab.batch(0)["x"][0]
    whole_DND = torch.autograd.functional.jacobian(lambda x: lab.states(model, x)[-1][read], x_ND)
    return whole_DND.square().sum((0, 2)).sqrt().numpy(), sensitivity(lab, model, x_ND, read).numpy()


@pytest.mark.parametrize("knobs", [{}, BARBELL, {"norm": "l2"}, {"message_passing": {"is": "nu_drew"}}, {"layer": "gin", "norm": "none"}])
def test_four_random_cotangents_rank_the_nodes_as_the_whole_jacobian_does(knobs: dict) -> None:
    whole_N, estimate_N = exact(Gnn.model_validate(knobs), 0)
    assert ((whole_N == 0) == (estimate_N == 0)).all()
    ranks = [np.argsort(np.argsort(row_N)) for row_N in (whole_N, estimate_N)]
    assert np.corrcoef(*ranks)[0, 1] > 0.9
    assert 0.4 < np.median(estimate_N[whole_N > 0] / whole_N[whole_N > 0]) < 2.5


@pytest.mark.parametrize("layers", [5, 6])
def test_a_network_with_too_few_layers_has_a_jacobian_of_exactly_zero(layers: int) -> None:
    lab = Gnn.model_validate({"graph": {"is": "ring", "distance": 6}, "layers": layers, "norm": "batch"})
    row_N = sensitivity(lab, lab.model(), lab.batch(0)["x"][0], 0)
    assert (float(row_N[6]) == 0.0) == (layers < 6)


def test_a_profile_is_the_mean_over_the_nodes_of_each_distance_and_leaves_out_those_without_a_path() -> None:
    rows = [(np.array([4.0, 2.0, 1.0, 9.0]), np.array([0.0, 1.0, 1.0, np.inf])), (np.array([6.0, 3.0]), np.array([0.0, 2.0]))]
    assert by_distance(rows) == [5.0, 1.5, 3.0]


@pytest.mark.parametrize("edges", [[(0, 1), (1, 2), (2, 3)], [(0, 1), (0, 2), (0, 3)], [(0, 1)]])
def test_dirichlet_energy_is_the_sum_over_edges(edges: list[tuple[int, int]]) -> None:
    graph, generator = Graph.of(4, edges), np.random.default_rng(0)
    x_ND, looped_N = generator.normal(size=(4, 3)), graph.degree_N + 1
    over_edges = sum(np.square(x_ND[a] / math.sqrt(looped_N[a]) - x_ND[b] / math.sqrt(looped_N[b])).sum() for a, b in edges)
    measured = dirichlet_energy(torch.from_numpy(x_ND)[None, None], operator(graph))
    assert float(measured) == pytest.approx(over_edges / np.square(x_ND).sum(), rel=1e-6)


def operator(graph: Graph) -> torch.Tensor:
    return gcn_operator(torch.from_numpy(graph.adjacency_NN()))


FAMILIES = [name for name in GraphChoice.answers() if name not in ("spatial", "sbm")]  # those may fall into parts


@pytest.mark.usefixtures("stored_set")
@pytest.mark.parametrize("family", FAMILIES)
def test_on_every_graph_averaging_without_end_leaves_no_energy(family: str) -> None:
    smooth_NN = operator(GraphChoice.answer(family)().build(np.random.default_rng(0)))
    x_LBND = torch.rand(1, 1, len(smooth_NN), 3, dtype=torch.float64)
    first, last = (dirichlet_energy(torch.linalg.matrix_power(smooth_NN, n) @ x_LBND, smooth_NN) for n in (1, 2**20))
    assert float(last) <= max(1e-6 * float(first), 1e-12), "the second is rounding, where one step averages all"


def test_states_that_are_all_zero_have_no_energy() -> None:
    assert float(dirichlet_energy(torch.zeros(1, 1, 5, 3), torch.eye(5))) == 0.0


WELL = {"under_reach": 0.0, "ratio": 0.1, "energy": 0.5, "reach": 0.1, "accuracy": 1.0, "layers": 9.0, "distance": 9.0}
CASES = [
    ({}, []),
    ({"under_reach": 1.0, "ratio": 0.0, "accuracy": 0.2, "layers": 8.0}, ["under-reaching"]),
    ({"under_reach": 1.0, "ratio": 0.0, "accuracy": 0.2}, ["dead states"]),
    ({"under_reach": 1.0, "ratio": 0.0, "accuracy": 0.2, "distance": math.inf}, ["no path"]),
    ({"ratio": 2e-4, "accuracy": 0.2}, ["over-squashing"]),
    ({"ratio": 2e-4, "accuracy": 1.0}, []),
    ({"energy": 1e-5}, ["over-smoothing"]),
    ({"energy": 0.0}, ["over-smoothing"]),
    ({"reach": 1e-7}, ["vanishing gradients"]),
    ({"energy": 1e-5, "reach": 1e-7}, ["over-smoothing", "vanishing gradients"]),
]


@pytest.mark.parametrize(("signs", "names"), CASES)
def test_each_failure_has_its_sign_and_its_sentence_and_the_numbers_follow(signs: dict, names: list[str]) -> None:
    found = verdicts(Signs(**{**WELL, **signs}))
    assert [name for name, _ in found] == [*names, ""]
    for name, sentence in found:
        assert sentence.endswith(".")
        assert sentence.lower().startswith(name)
    assert found[-1][1].startswith("None of the four" if not names else "The numbers")


def test_what_was_not_measured_is_no_good_news_and_a_measured_nan_is_no_gap() -> None:
    (_, missing), (_, odd), (_, numbers) = verdicts(Signs(energy=math.nan, reach=0.1))
    assert missing == "Not measured: Jacobian and accuracy (probes=dear measures everything)."
    assert odd == "NaN was measured, which says nothing: Dirichlet energy."
    assert numbers.startswith("The numbers: share of pairs out of reach not measured, Jacobian ratio not measured, energy ratio nan, ")
