"""The page shows the committed measurement with its intervals, places a new run into them, and says so where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.core.nonfinite import jsonable
from engine.docs.measure import record
from engine.labs.probe import Metric
from pages.parts.runs import measured

DEAD = "router/dead_experts@blocks.1.moe"
KNOBS = {"steps": 300, "experts": 32, "lr": 1e-3}
LAB = {
    "lab": "moe",
    "headline": ["loss/validation", "router/dead_experts"],
    "presets": {
        "collapse": {"twin": "collapse_cured", "knobs": {"lr": 1}},
        "collapse_cured": {"twin": None, "broken": "collapse", "knobs": {"lr": 2}},
        "ladder": {"twin": None, "knobs": {"lr": 2}},
        "non_finite": {"twin": None, "knobs": {"lr": 3}},
        "new": {"twin": None, "knobs": {"lr": 4}},
    },
}


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of three presets, as a measurement writes them."""
    provenance = {"device": "cpu: A", "python": "3.11", "packages": {"torch": "2.13"}, "environment": {}, "commit": "a", "data": {}}
    kinds = {"router/dead_experts": Metric("router/dead_experts", "", layered=True, of="experts")}
    for name, loss in (("collapse", 2.0), ("collapse_cured", 1.0), ("non_finite", float("inf"))):
        runs: list[dict[str, Any]] = [
            {
                **{"seed": seed, "status": "finished", "steps": 300, "cpu_seconds": 1.0, "curve": None, "vectors": {}},
                "values": {"loss/validation|last": jsonable(loss + 0.01 * seed), f"{DEAD}|last": 18.0 + seed % 3, "grad_norm|last": 1.0},
                "provenance": provenance,
            }
            for seed in range(8)
        ]
        record.write(tmp_path, record.document("moe", name, KNOBS, {}, runs, kinds))
    record.pair_up(tmp_path, [("moe", "collapse", "collapse_cured")])
    monkeypatch.setattr(measured, "MEASURED", tmp_path)


def shown(preset: str, runs: list[dict[str, Any]] | None = None, requested: list[str] | None = None) -> str:
    """The page's text; `requested` gathers the runs whose document the page wants."""

    def page(lab: dict, name: str, runs: list, requested: list) -> None:
        from pages.parts.runs.measured import measured

        documents = {run["run"]: run for run in runs}
        measured(lab, name, {run: one["preset"] for run, one in documents.items()}, lambda run: (requested.append(run), documents[run])[1])

    test = AppTest.from_function(page, args=(LAB, preset, runs or [], [] if requested is None else requested)).run(timeout=60)
    assert not test.exception
    return "\n".join(e.value for e in [*test.markdown, *test.caption])


@pytest.mark.parametrize("preset", ["collapse", "collapse_cured"])
def test_twins_stand_side_by_side_with_intervals_and_what_differs_on_the_same_seed(preset: str) -> None:
    text = shown(preset)
    assert "| at the end | `collapse` | `collapse_cured` | on the same seed |" in text
    assert (
        text.splitlines()[2]
        == "| loss validation | 2.04 (1.99 to 2.08, n = 8) | 1.0 (0.99 to 1.1, n = 8) | × 1.97 (1.92 to 2.01, on 8 of 8 seeds) |"
    )
    assert "| router dead experts in blocks.1.moe | 19 (17 to 21, n = 8) | 19 (17 to 21, n = 8) |" in text
    assert "grad_norm" not in text, "only what the lab heads its tables with"
    assert "Median of 8 seeds" in text
    assert "9 of 10 new runs" in text
    assert "another processor is another draw" in text


def test_a_ladder_shows_what_was_measured_of_the_arm_with_its_knobs() -> None:
    assert shown("ladder").replace("`ladder`", "`collapse_cured`").splitlines()[2] in shown("ladder")
    assert "1.0 (0.99 to 1.1, n = 8)" in shown("ladder")


def test_what_is_not_finite_is_said() -> None:
    assert "| loss validation | not finite in 8 of 8 |" in shown("non_finite")


def test_what_was_not_measured_says_so() -> None:
    assert shown("new") == "This preset has not been measured yet."


def new_run(loss: Any, **knobs: Any) -> dict[str, Any]:
    metrics = {"loss/validation": {"kind": "scalar", "last": jsonable(loss)}, DEAD: {"kind": "scalar", "last": 19.0}}
    return {"run": "r", "lab": "moe", "preset": "collapse", "steps": 300, "knobs": {**KNOBS, **knobs}, "metrics": metrics}


@pytest.mark.parametrize(("loss", "placed"), [(2.05, "2.05: inside"), (5.0, "5: outside"), (float("nan"), "NaN: outside")])
def test_a_new_run_is_placed_into_the_band(loss: float, placed: str) -> None:
    text = shown("collapse", [new_run(loss, seed=11, device="cpu", threads=2)])
    assert "| your run (collapse) |" in text.splitlines()[0]
    assert f"| {placed} |" in text
    assert "| 19: inside |" in text


def test_a_run_with_other_knobs_or_fewer_steps_is_not_placed() -> None:
    assert "your run" not in shown("collapse", [new_run(2.0, lr=0.5)])
    assert "your run" not in shown("collapse", [{**new_run(2.0), "steps": 100}])


def test_only_a_run_whose_preset_has_a_record_is_asked_for() -> None:
    runs = [{**new_run(2.0), "run": preset, "preset": preset} for preset in ("collapse", "new", "ladder")]
    requested: list[str] = []
    shown("new", runs, requested)
    assert requested == []
    shown("collapse_cured", runs, requested)
    assert requested == ["collapse"]


def test_the_record_is_the_one_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "moe" / "collapse.json"
    told = json.loads(path.read_text())
    told["date"] = "2001-02-03"
    path.write_text(json.dumps(told))
    assert "Measured 2001-02-03 on cpu: A" in shown("collapse")
