"""What `make science` keeps of its runs."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.docs import measure
from engine.docs.measure import document, kept, one_run, seeds, summary
from engine.runs.folder import new_run

SHOW = {
    "status": "diverged",
    "steps": 80,
    "metrics": {
        "loss/train": {"kind": "scalar", "last": "NaN", "max": 7.5},
        "router/dead_experts@blocks.0.moe": {"kind": "scalar", "last": 20.0, "max": 21.0},
        "grad_norm@head": {"kind": "scalar", "last": 1.0, "max": 2.0},
        "router/load@blocks.0.moe": {"kind": "vector", "last": [0.5, 0.5], "max": 0.5},
        "time/step": {"kind": "scalar", "last": 0.1, "max": 0.2},
    },
    "events": [{"kind": "spike", "step": 9}, {"kind": "spike", "step": 30}, {"kind": "nonfinite", "step": 11}],
    "provenance": {
        "device": "cpu: A",
        "python": "3.11",
        "packages": {"torch": "2.13"},
        "commit": "abc",
        "dirty": False,
        "data": {"sha256": "0"},
    },
}


@pytest.mark.parametrize(("text", "expected"), [("0-2", [0, 1, 2]), ("0,3", [0, 3]), ("4", [4]), ("0-1,7", [0, 1, 7])])
def test_seeds_are_ranges_and_lists(text: str, expected: list[int]) -> None:
    assert seeds(text) == expected


@pytest.mark.parametrize("text", ["", "a", "0-", "-1", "0-x"])
def test_what_is_no_list_of_seeds_is_answered_in_a_sentence(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give one like"):
        seeds(text)


def test_global_metrics_and_those_of_the_lab_are_kept_and_wall_clock_and_vectors_are_not() -> None:
    got = kept(SHOW, {"cpu_seconds": 12.34}, ["router/dead_experts"])
    assert got["metrics"] == {"loss/train": "NaN", "router/dead_experts@blocks.0.moe": 20.0}
    assert got["largest"] == {"loss/train": 7.5}
    assert got["events"] == {"spike": {"count": 2, "first": 9}, "nonfinite": {"count": 1, "first": 11}}
    assert got["cpu_seconds"] == 12.3


def test_a_summary_hides_no_nan_and_the_document_is_plain_json() -> None:
    runs = [kept(SHOW, {"cpu_seconds": s}, ["router/dead_experts"]) | {"seed": s} for s in (3, 5)]
    runs[1]["metrics"] = {"loss/train": 2.0, "router/dead_experts@blocks.0.moe": 10.0}
    assert summary(runs)["loss/train"] == {"min": "NaN", "mean": "NaN", "max": "NaN"}
    assert summary(runs)["router/dead_experts@blocks.0.moe"] == {"min": 10.0, "mean": 15.0, "max": 20.0}
    told = json.loads(json.dumps(document("moe", "collapse", ["loss/train"], runs), allow_nan=False))
    assert told["seeds"] == [3, 5]
    assert told["versions"] == {"python": "3.11", "torch": "2.13"}
    assert all("provenance" not in run for run in told["runs"])
    assert not math.isnan(told["summary"]["cpu_seconds"]["mean"])


def test_a_run_leaves_its_artefacts_to_the_runs_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()

    def trained(_command: list[str], *, env: dict[str, str], **_more: Any) -> subprocess.CompletedProcess[str]:
        data = Path(env["FAULTLINE_DATA"])
        for name, file in (("abc", "teacher.pt"), ("def", "labs.json")):
            (data / "cache" / name).mkdir(exist_ok=True)
            (data / "cache" / name / file).write_text(name)
        made = new_run(data, "moe", {})
        return subprocess.CompletedProcess([], 0, stdout=json.dumps({"run": made.run, **SHOW}), stderr="")

    monkeypatch.setattr(measure.subprocess, "run", trained)
    for seed in (0, 1):
        got = one_run("moe", "collapse", seed, ["router/dead_experts"], {}, tmp_path)
        assert (got["seed"], got["status"]) == (seed, "diverged")
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["abc"]
    assert (tmp_path / "cache" / "abc" / "teacher.pt").read_text() == "abc"
