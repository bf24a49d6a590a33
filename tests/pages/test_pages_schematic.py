"""The schematic on the run page: each run is drawn once a page, and says at its step what it shows."""

from __future__ import annotations

from typing import Any

import pytest

from engine.labs.moe.schematics.experts import Experts
from engine.server.service import Service
from tests.pages.test_pages import opened, said
from tests.pages.test_pages_gallery import real_labs
from tests.support.made_runs import DRAWN, KNOBS, MadeRun, readings

__all__ = ["real_labs"]


def test_each_run_is_drawn_once_a_page(real_labs: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [MadeRun(real_labs.data, steps=30, knobs={**KNOBS, **DRAWN}).declare() for _ in range(2)]
    for run in runs:
        for step in range(30):
            scalars, load = readings(step, healthy=False)
            run.log(scalars, load=load)
        run.end()
    real_labs.owner.catch_up()
    drawings: list[Any] = []
    real = Experts.svg
    monkeypatch.setattr(Experts, "svg", lambda self, *args: drawings.append(args) or real(self, *args))
    test = opened("run.py", run=",".join(run.run for run in runs), step="12")
    assert not test.exception
    drawn = [args for args in drawings if args[0].get("experts") == DRAWN["experts"]]
    assert len(drawn) == 2, "the posters of the gallery, which opens first, draw recorded runs only"
    assert said(test).count("step 12: ") == 2
