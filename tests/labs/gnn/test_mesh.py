"""The mesh is a triangulation around a cylinder, its flow ideal, and the task's answers solve Poisson's equation on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.labs.gnn._edits import apply, parse
from engine.labs.gnn.datasets.distances import connected
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.mesh import HALF_HEIGHT, held_N, mesh, triangles_T3, velocity_N2
from engine.labs.gnn.datasets.poisson import solutions_BN, stiffness_NN
from engine.labs.gnn.gnn import Gnn
from tests.support.graphs import built

MESH = built("mesh", nodes=90)
POISSON = {"device": "cpu", "graph": {"is": "mesh", "nodes": 90}, "task": {"is": "poisson"}, "layers": 4}


def places(graph: Graph) -> np.ndarray:
    assert graph.position_N2 is not None
    return graph.position_N2


# -- the mesh and its flow ---------------------------------------------------------------------------


@pytest.mark.parametrize(("nodes", "refinement"), [(60, 1.0), (90, 4.0), (150, 8.0)])
def test_triangles_tile_the_window_around_the_cylinder_and_are_finer_near_it(nodes: int, refinement: float) -> None:
    graph = built("mesh", nodes=nodes, refinement=refinement)
    triangle_T3, radius_N = triangles_T3(graph), np.hypot(*places(graph).T)
    assert graph.nodes == nodes
    assert connected(graph)
    assert nodes - len(graph.edges_E2) + len(triangle_T3) == 0, "Euler's number of a disc with one hole"
    wall_N = np.isclose(radius_N, 1.0)
    assert radius_N.min() > 1.0 - 1e-12
    assert np.array_equal(held_N(graph, triangle_T3), wall_N), "its only hole is the cylinder"
    corners_T32 = places(graph)[triangle_T3]
    (ax, ay), (bx, by) = (corners_T32[:, 1] - corners_T32[:, 0]).T, (corners_T32[:, 2] - corners_T32[:, 0]).T
    count = wall_N.sum()
    polygon = count / 2 * np.sin(2 * np.pi / count)
    assert np.abs(ax * by - ay * bx).sum() / 2 == pytest.approx(9.0 * 2.0 * HALF_HEIGHT - polygon), "the area between"
    length_E = np.linalg.norm(places(graph)[graph.edges_E2[:, 0]] - places(graph)[graph.edges_E2[:, 1]], axis=1)
    near_E = wall_N[graph.edges_E2].any(axis=1)
    assert (np.median(length_E[~near_E]) > 1.3 * np.median(length_E[near_E])) == (refinement > 1.0)


def test_a_mesh_is_decided_by_its_seed_and_one_that_is_too_coarse_is_refused_in_a_sentence() -> None:
    again, other = (built("mesh", seed, nodes=90) for seed in (0, 1))
    assert np.array_equal(places(MESH), places(again))
    assert MESH.pairs == again.pairs != other.pairs
    with pytest.raises(ValueError, match=r"^cylinder and frame alone take \d+ of 12 nodes at refinement 1; give more nodes or .*\.$"):
        mesh(12, 1.0, np.random.default_rng(0))


def test_the_flow_neither_enters_the_cylinder_nor_springs_up_nor_turns_and_is_uniform_far_away() -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 37)
    wall_N2 = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    through_N = (velocity_N2(wall_N2) * wall_N2).sum(axis=1)
    np.testing.assert_allclose(through_N, 0.0, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(velocity_N2(wall_N2), axis=1), 2.0 * np.abs(np.sin(angle)), atol=1e-14)
    np.testing.assert_allclose(velocity_N2(np.array([[1e6, 2e5]])), [[1.0, 0.0]], atol=1e-11)
    off_N2, h = places(MESH)[np.hypot(*places(MESH).T) > 1.0 + 1e-9], 1e-4
    slope_22N = [[(velocity_N2(off_N2 + step) - velocity_N2(off_N2 - step))[:, k] / (2 * h) for k in (0, 1)] for step in h * np.eye(2)]
    np.testing.assert_allclose(slope_22N[0][0] + slope_22N[1][1], 0.0, atol=1e-6)  # divergence
    np.testing.assert_allclose(slope_22N[0][1] - slope_22N[1][0], 0.0, atol=1e-6)  # rotation
    assert MESH.velocity_N2 is not None
    assert np.array_equal(MESH.velocity_N2, velocity_N2(places(MESH)))


# -- Poisson's equation ------------------------------------------------------------------------------


def test_the_stiffness_matrix_is_the_cotangent_one_and_exact_for_linear_functions() -> None:
    triangle_T3 = triangles_T3(MESH)
    stiff_NN = stiffness_NN(places(MESH), triangle_T3).toarray()
    other_NN = np.zeros_like(stiff_NN)
    for triangle in triangle_T3.tolist():
        for k in range(3):
            at, b, c = triangle[k], triangle[k - 2], triangle[k - 1]
            u, v = places(MESH)[b] - places(MESH)[at], places(MESH)[c] - places(MESH)[at]
            half_cotangent = 0.5 * (u @ v) / abs(u[0] * v[1] - u[1] * v[0])
            other_NN[[b, c], [c, b]] -= half_cotangent
            other_NN[[b, c], [b, c]] += half_cotangent
    np.testing.assert_allclose(stiff_NN, other_NN, atol=1e-12)
    slope = np.array([0.3, -0.7])
    energy = (places(MESH) @ slope) @ stiff_NN @ (places(MESH) @ slope)
    wall = np.isclose(np.hypot(*places(MESH).T), 1.0).sum()
    area = 54.0 - wall / 2 * np.sin(2 * np.pi / wall)
    assert energy == pytest.approx(area * (slope @ slope)), "∫ |∇u|² of a linear function"


def test_solutions_solve_the_system_where_they_are_free_and_are_0_on_the_cylinder() -> None:
    load_BN = np.random.default_rng(0).normal(size=(3, MESH.nodes))
    triangle_T3 = triangles_T3(MESH)
    u_BN, held = solutions_BN(MESH, load_BN), held_N(MESH, triangle_T3)
    residual_BN = u_BN @ stiffness_NN(places(MESH), triangle_T3).toarray() - load_BN
    np.testing.assert_allclose(residual_BN[:, ~held], 0.0, atol=1e-11)
    assert not u_BN[:, held].any()
    through_B = (residual_BN + load_BN)[:, held].sum(axis=1)
    np.testing.assert_allclose(through_B, -load_BN[:, ~held].sum(axis=1), atol=1e-11, err_msg="what comes in leaves through the cylinder")
    np.testing.assert_allclose(solutions_BN(MESH, load_BN[:1]), u_BN[:1], atol=1e-12)


def test_an_edge_that_is_cut_takes_its_triangles_along_and_a_mesh_without_a_rim_is_refused() -> None:
    rim = np.isclose(np.hypot(*places(MESH).T), 1.0) | (np.abs(places(MESH) - [1.5, 0.0]) >= [4.5, 3.0]).any(axis=1)
    inner = next(pair for pair in MESH.pairs if not rim[list(pair)].any())
    cut = apply(MESH, parse(f"-{inner[0]}-{inner[1]}"))
    assert len(triangles_T3(cut)) == len(triangles_T3(MESH)) - 2
    assert held_N(cut, triangles_T3(cut))[list(inner)].all(), "the new hole is held at 0 too"
    assert solutions_BN(cut, np.ones((1, MESH.nodes))).sum() < solutions_BN(MESH, np.ones((1, MESH.nodes))).sum()
    dropped = apply(MESH, parse("~70"))
    assert dropped.velocity_N2 is not None
    assert np.array_equal(dropped.velocity_N2, np.delete(MESH.velocity_N2, 70, axis=0))
    square = Graph.of(4, [(0, 1), (1, 2), (2, 3), (0, 3), (0, 2)], np.array([[-3.0, -3.0], [6.0, -3.0], [6.0, 3.0], [-3.0, 3.0]]))
    for graph, message in ((square, "no rim at which"), (built("ring"), "only a mesh has triangles; choose graph=mesh")):
        with pytest.raises(ValueError, match=message) as caught:
            solutions_BN(graph, np.ones((1, graph.nodes)))
        assert str(caught.value).endswith(".")


def test_examples_are_solutions_in_units_of_the_training_ones_and_the_held_out_ones_are_others() -> None:
    lab = Gnn.model_validate(POISSON)
    train, (held_out,) = lab.batch(0), lab.validation()
    graph, both = lab.given_graph, [part.double().numpy() for part in (lab.all_examples.x_BND, lab.all_examples.answer)]
    assert len(train["x"]) == len(held_out["x"]) == 32
    assert not any(np.array_equal(one, other) for one in train["x"].numpy() for other in held_out["x"].numpy())
    u_BN = solutions_BN(graph, both[0][:, :, 0])
    assert np.corrcoef(u_BN.ravel(), both[1].ravel())[0, 1] == pytest.approx(1.0, abs=1e-6)
    assert float(train["answer"].mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(train["answer"].square().mean()) == pytest.approx(1.0, rel=1e-5)
    assert (np.count_nonzero(both[0][:, :, 0], axis=1) == 8).all()
    again = Gnn.model_validate({**POISSON, "rewiring": {"is": "piorf"}})
    assert np.array_equal(again.all_examples.x_BND.numpy(), lab.all_examples.x_BND.numpy()), "no rewiring touches features or answers"
    assert np.array_equal(again.all_examples.answer.numpy(), lab.all_examples.answer.numpy())


def test_a_graph_keeps_its_velocities_when_edges_come_and_go() -> None:
    assert MESH.plus([(0, 80)]).velocity_N2 is MESH.velocity_N2
    assert MESH.minus(MESH.pairs[:3]).velocity_N2 is MESH.velocity_N2
    assert replace(MESH, position_N2=None).velocity_N2 is MESH.velocity_N2
