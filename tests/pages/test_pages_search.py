"""The group of a search on page Runs says what it came to, and why it ended early."""

from __future__ import annotations

import dataclasses

import pytest

from engine.declare.sweep import of_points
from engine.runs.sweep_file import read_sweep, write_sweep
from engine.scheduler.sweeps import create
from engine.server.service import Service
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import ENTRIES

SPACE = [{"knob": "lr", "low": 1e-4, "high": 1.0, "scale": "log"}]
SETTING = {"is": "optuna", "open": False, "space": SPACE, "metric": "loss/train", "direction": "minimize", "trials": 3, "seed": 0}
BEST = {"knobs": {"lr": 0.01}, "value": 0.25, "runs": ["a", "b", "c"]}


@pytest.mark.parametrize(("results", "sentence"), [
    ({"best": BEST, "tried": 3, "ended": ""}, "Lowest loss/train of 3 points: 0.25 at lr=0.01, the median of 3 runs."),
    ({"best": None, "tried": 1, "ended": "Optuna did not answer."}, "No more runs follow: Optuna did not answer."),
])  # fmt: skip
def test_the_group_says_what_a_search_came_to(lab_service: Service, results: dict[str, object], sentence: str) -> None:
    lab, data = ENTRIES["moe"], lab_service.data
    planned = of_points(lab, "collapse", {"device": "cpu"}, [{"lr": 0.01}], (0,))
    sweep = read_sweep(data, create(data, lab, planned, search=SETTING)[0].id)
    write_sweep(data, dataclasses.replace(sweep, search={**SETTING, **results}))
    test = opened("runs.py", sweep=sweep.id)
    assert not test.exception
    assert sentence in said(test).replace("\\", "")
