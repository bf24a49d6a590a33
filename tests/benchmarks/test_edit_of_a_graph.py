"""One edit on the page Topology costs a moment of the child that computes it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from engine.core.paths import ROOT

TRIES = 3  # in one process; a busy machine delays the answer and does not change it
REFERENCE = 0.0087  # CPU seconds of `reference_work` on the machine of the budgets, two shared cores; a slower one gets as much more


def reference_work() -> float:
    """CPU seconds of as much Python and as much linear algebra as one edit of a small graph needs, the least of five."""
    spent = []
    for _ in range(5):
        began, total = time.process_time(), 0
        for number in range(200_000):
            total += number % 7
        np.linalg.inv(np.random.default_rng(0).normal(size=(200, 200)))
        spent.append(time.process_time() - began)
    return min(spent)


@pytest.mark.parametrize(
    ("graph", "edits", "budget"),
    [
        ({"is": "ba", "nodes": 200}, "+0-199", 0.040),
        ({"is": "ring_of_cliques", "cliques": 40, "size": 5}, "-0-1 ~7", 0.040),
        ({"is": "ba", "nodes": 2000}, "+0-1999", 1.2),
    ],
    ids=["200 nodes, hubs", "200 nodes, cliques", "2000 nodes"],
)
def test_one_edit_stays_within_its_budget_of_cpu_seconds(graph: dict[str, Any], edits: str, budget: float) -> None:
    budget *= max(1.0, reference_work() / REFERENCE)
    command = [sys.executable, "-m", "tests.benchmarks.edit_child", json.dumps({"graph": graph, "edits": edits}), str(TRIES)]
    spent: list[float] = []
    while not spent or (len(spent) < 3 * TRIES and min(spent) > budget):
        spent += json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert min(spent) <= budget, f"CPU seconds: {spent}"
