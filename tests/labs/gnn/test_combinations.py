"""Answers and options taken together at random: they train, or are refused in one sentence."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from typing import Any

import pytest

from engine.declare.resolve import KnobError, resolve
from engine.labs.describe import entry
from engine.labs.gnn.gnn import Gnn
from tests.labs.gnn.test_tasks import readings

GNN = entry("gnn", Gnn)
OF_EVERY_LAB = ("device", "precision", "optimizer", "probes", "kernels", "on_divergence")
CHOSEN = [spec for spec in GNN["knobs"] if spec["kind"] in ("question", "option") and spec["name"] not in OF_EVERY_LAB]
SMALL = {  # of each graph that is not small by itself, with room for the eigenvectors of an encoding
    "ba": {"graph.nodes": 20},
    "barbell": {"graph.clique": 5},
    "clique_path": {"graph.distance": 4},
    "crossed_ring": {"graph.distance": 6},
    "expander": {"graph.nodes": 20},
    "grid": {"graph.rows": 4, "graph.columns": 4},
    "mesh": {"graph.nodes": 60},
    "ring": {"graph.distance": 6},
    "ring_of_cliques": {"graph.cliques": 4, "graph.size": 4},
    "sbm": {"graph.size": 6},
    "spatial": {"graph.nodes": 20},
    "stored": {"graph.graphs": 4},
    "tree": {"graph.distance": 3},
    "ws": {"graph.nodes": 20},
}
DRAWS, TRAINED = 3000, 16  # as many requests, of which as many as a test has time for are trained


def requests() -> list[dict[str, Any]]:
    drawn = random.Random(0)
    out = [{spec["name"]: drawn.choice(spec["choices"])["name"] for spec in CHOSEN} for _ in range(DRAWS)]
    return [{**one, **SMALL.get(one["graph"], {}), "width": 8, "device": "cpu"} for one in out]


def ending(request: dict[str, Any]) -> tuple[str, str]:
    """-> (how two steps of it end, the sentence of a refusal or the last loss)."""
    try:
        lab = Gnn.model_validate(resolve(GNN, None, request).nested)
    except KnobError as refused:
        return "refused", str(refused)
    try:
        return "trained", str(readings(lab, 2)[-1]["loss"])
    except ValueError as refused:
        return f"{type(refused).__name__} of the worker", str(refused)


@pytest.mark.usefixtures("stored_set")
def test_answers_taken_together_train_or_are_refused_in_one_sentence() -> None:
    ended: Counter[str] = Counter()
    for request in itertools.takewhile(lambda _: ended["trained"] < TRAINED, requests()):
        how, what = ending(request)
        ended[how] += 1
        assert math.isfinite(float(what)) if how == "trained" else what.endswith(".") and "\n" not in what, (request, what)
    assert ended["trained"] == TRAINED
    assert ended.keys() <= {"trained", "refused", "ValueError of the worker"}
    assert ended["ValueError of the worker"] <= TRAINED // 4, "most of what cannot be is refused before a run is made"


@pytest.mark.parametrize("passing", ["plain", "residual"])
@pytest.mark.parametrize(("task", "graph"), [("commute_time", "mesh"), ("neighbors_match", "tree")])
def test_states_of_length_0_are_not_divided_by_their_length(task: str, graph: str, passing: str) -> None:
    """Behind a shortcut they stay 0 for some layers, and each division by no length makes gradients 1e12 times larger: NaN."""
    how, what = ending({"task": task, "graph": graph, "message_passing": passing, "norm": "l2"})
    assert (how, what) == (
        "refused",
        f"task={task} does not go with norm=l2: its nodes without features have states of length 0, and nothing can be divided by that. "
        "Give norm as none or batch, or choose another task.",
    )
