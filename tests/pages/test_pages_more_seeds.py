"""The button that adds seeds to a comparison: for every arm, all of them or none, in the address or in the sweep."""

from __future__ import annotations

from typing import Any

import pytest

from engine.compare.overview import declared
from engine.core.files import write_json
from engine.declare.sweep import plan
from engine.runs.folder import run_folder
from engine.runs.spool import Spool
from engine.scheduler.sweeps import create
from engine.server.service import Service
from tests.pages.test_pages import opened, said
from tests.pages.test_pages_compare import page
from tests.support.compared_runs import METRIC, arm
from tests.support.lab_pages import ENTRIES, button


def swept(lab_service: Service, given: dict[str, str]) -> Any:
    return create(lab_service.data, ENTRIES["moe"], plan(ENTRIES["moe"], "collapse", {"device": "cpu", "steps": "20", **given}))[0]


def finish(lab_service: Service, value: float = 2.0) -> list[str]:
    """Every queued run ends at once, with one value."""
    done = []
    for folder in [run_folder(lab_service.data, path.name) for path in sorted((lab_service.data / "runs").iterdir())]:
        if folder.status() == "queued":
            Spool(folder.path / "spool.1.bin", folder.run).log(0, {(METRIC, ""): value})
            folder.write_exit("finished", code=0)
            done.append(folder.run)
    lab_service.owner.catch_up()
    return done


def test_four_more_seeds_are_submitted_for_every_arm_and_stand_in_the_address(lab_service: Service) -> None:
    swept(lab_service, {"lr": "0.001,0.01", "seed": "0..1"})
    runs = finish(lab_service)
    lone = runs[:3]  # the last run of an arm is missing
    test = opened("compare.py", run=",".join(lone))
    assert "Starts 9 runs, so that every arm has the same 6 seeds: 9 runs, " in said(test)
    button(test, "4 more seeds").click()
    test.run()
    assert not test.exception
    named = test.query_params["run"]
    now = (named[0] if isinstance(named, list) else named).split(",")
    assert now[:3] == lone
    assert len(now) == 12
    specs = declared(lab_service.data, now)
    assert sorted((spec["knobs"]["lr"], spec["knobs"]["seed"], spec["knobs"]["data_seed"]) for spec in specs) == sorted(
        (lr, seed, seed) for lr in (0.001, 0.01) for seed in range(6)
    )
    same = {repr({k: v for k, v in spec["knobs"].items() if k not in ("seed", "data_seed", "lr")}) for spec in specs}
    assert len(same) == 1


def test_a_sweep_gets_its_seeds_and_keeps_its_address(lab_service: Service) -> None:
    sweep = swept(lab_service, {"lr": "0.001,0.01", "seed": "0..1"})
    finish(lab_service)
    test = opened("compare.py", sweep=sweep.id)
    assert list(test.table[0].value["lr"]) == ["0.001", "0.01"]
    button(test, "4 more seeds").click()
    test.run()
    assert not test.exception
    assert list(test.table[0].value["seeds in"]) == ["2 of 6", "2 of 6"]
    assert "Not all runs have ended" in said(test)


def test_how_long_they_take_is_said_as_far_as_it_is_measured(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.core.device.cores", lambda: 2)
    swept(lab_service, {"lr": "0.001,0.01", "seed": "0..1"})
    runs = finish(lab_service)
    test = opened("compare.py", run=",".join(runs))
    assert "8 runs, 2 at a time. 8 of 8 not measured yet: no run of that size tells how long a step takes here." in said(test)
    for run in runs:
        write_json(lab_service.data / "runs" / run / "state.json", {"step_seconds": 1.5})
    assert "8 runs, about 2 min, 2 at a time." in said(opened("compare.py", run=",".join(runs))), "8 runs of 20 steps of 1.5 s, two by two"


def test_a_knob_that_the_lab_no_longer_knows_is_said_before_anything_is_pressed(lab_service: Service) -> None:
    test = page(lab_service, arm(lab_service.data, [1, 2], forgotten=3))
    assert button(test, "4 more seeds").disabled
    assert "no longer knows router.k, forgotten" in said(test)


def test_without_the_lab_nothing_can_be_added(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Service, "labs", lambda self: {"state": "ready", "labs": [], "probes": [], "errors": [], "seconds": 0.0, "says": ""}
    )
    test = page(lab_service, arm(lab_service.data, [1, 2]))
    assert button(test, "4 more seeds").disabled
    assert "cannot be read now" in said(test)
