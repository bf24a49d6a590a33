"""Runs whose small files say odd things of the right or the wrong type: every page opens, beside a healthy run and alone."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.runs import checked
from engine.runs.folder import RunFolder
from engine.server.service import Service
from tests.pages.test_pages import opened
from tests.pages.test_pages_gallery import real_labs
from tests.support.made_runs import DRAWN, KNOBS, MadeRun, finished_run, readings

__all__ = ["real_labs"]

ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e308, math.nan, math.inf, 10**9, 10**30, 2.5, 257, [], {}, [1, 2], {"a": 1}),
    *("", "x", "\x00", "\ud800", "9" * 400, "1e9", "{x}", '"><script>alert(1)</script>', "**b** [l](http://e) :red[x] $a$ `c`"),
)
FILES = ("spec.json", "spec.json", "state.json", "exit.json", "provenance.json")


def mutated(rng: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    """One entry of it is gone, new or odd; of an entry that is a dict itself mostly one of its own."""
    out, name, chance = dict(value), rng.choice(list(value)), rng.random()
    if chance < 0.12:
        del out[name]
    elif chance < 0.2:
        out[rng.choice(["zz", "<b>", "", "a.b.c", "is"])] = rng.choice(ODD)
    elif isinstance(out[name], dict) and out[name] and chance < 0.8:
        out[name] = mutated(rng, out[name])
    else:
        out[name] = rng.choice(ODD)
    return out


def made(data: Path, rng: random.Random) -> str:
    """A run that has ended, with one of its files mutated."""
    run = MadeRun(data, steps=8, knobs={**KNOBS, **DRAWN}).declare()
    for step in range(8):
        scalars, load = readings(step, healthy=False)
        run.log(scalars, load=load)
    run.end(rng.choice(["finished", "diverged", "failed", "stopped"]))
    path = run.folder.path / rng.choice(FILES)
    document = mutated(rng, json.loads(path.read_text()))
    path.write_text(json.dumps(document))
    return run.run


def opened_everywhere(service: Service, seed: int, many: int) -> None:
    rng = random.Random(seed)
    whole = finished_run(service.data, steps=8)
    runs = [made(service.data, rng) for _ in range(many)]
    service.owner.catch_up()
    for run in runs:
        for page, query in (("run.py", run), ("run.py", f"{run},{whole.run}"), ("compare.py", f"{run},{whole.run}")):
            assert not opened(page, run=query).exception, (seed, RunFolder(service.data / "runs" / run).spec())
        assert not opened("build.py", **{"from": run}).exception
    assert not opened("runs.py").exception


def test_every_page_opens_beside_mutated_runs(real_labs: Service) -> None:
    opened_everywhere(real_labs, seed=1, many=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 7))
def test_every_page_opens_beside_many_mutated_runs(real_labs: Service, seed: int) -> None:
    opened_everywhere(real_labs, seed, many=40)


def test_infinitely_many_experts_stop_no_page(real_labs: Service) -> None:
    run = MadeRun(real_labs.data, steps=8, knobs={**KNOBS, **DRAWN}).declare()
    spec = json.loads((run.folder.path / "spec.json").read_text())
    spec["knobs"]["experts"] = math.inf
    (run.folder.path / "spec.json").write_text(json.dumps(spec))
    scalars, load = readings(0, healthy=False)
    run.log(scalars, load=load)
    run.end()
    real_labs.owner.catch_up()
    assert not opened("run.py", run=run.run).exception


def test_a_gallery_opens_whatever_a_run_says_of_its_step_time(real_labs: Service) -> None:
    """One folder in which a time was a dict closed the gallery to everybody."""
    run = finished_run(real_labs.data, steps=8)
    for odd in ({"a": 1}, "fast", math.nan, -1.0, True):
        (run.folder.path / "state.json").write_text(json.dumps({"step": 8, "steps": 8, "step_seconds": odd}))
        (run.folder.path / "provenance.json").write_text(json.dumps({"stack": {"members": True}}))
        assert not opened().exception
        assert run.folder.state() == {"step": 8, "steps": 8}
        assert run.folder.provenance() == {"stack": None}


@pytest.mark.parametrize("reader", [checked.state_said, checked.end_said, checked.provenance_said])
def test_what_a_worker_says_passes_and_what_it_never_says_does_not(reader: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    rng, good = (
        random.Random(3),
        {"step": 3, "code": 0, "phase": "training", "status": "finished", "says": "", "stack": None, "data": {"sha256": "a"}},
    )
    kept = reader(good)
    assert kept
    assert kept.items() <= good.items()
    for _ in range(300):
        out = reader({name: rng.choice(ODD) for name in (*checked.STATE, *checked.END, "stack", "data", "zz")})
        assert all(not isinstance(value, float) or math.isfinite(value) for value in out.values())
        assert json.dumps(out, allow_nan=False)
