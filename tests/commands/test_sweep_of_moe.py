"""A sweep of real trainings, from the declaration to the second sweep that adds a seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.core.code_key import key
from engine.core.files import write_json
from engine.core.paths import ROOT, private_folder
from engine.runs.folder import RunFolder, all_runs
from tests.support.lab_pages import ENTRIES

SIZES = {"layers": 1, "experts": 4, "expert_width": 2, "d_model": 8, "heads": 2, "context": 8, "batch_size": 2}
SMALL = ["steps=2", "device=cpu", "probes=free", *(f"{name}={size}" for name, size in SIZES.items())]
GRID = ["sweep", "moe", "--preset", "collapse", "router=softmax_top_k,loss_free,hash"]


def engine(data: Path, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "FAULTLINE_DATA": str(data), "OMP_NUM_THREADS": "1"}
    said = subprocess.run([sys.executable, "-m", "engine", *arguments, "--json"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


@pytest.mark.parametrize("dry", [["--dry-run"], pytest.param([], marks=pytest.mark.slow)], ids=["declared", "trained"])
def test_nine_are_declared_trained_once_and_a_fourth_seed_adds_three(tmp_path: Path, dry: list[str]) -> None:
    """`dry`: what follows the training of the nine is only declared; trained as well it takes another import of torch."""
    private_folder(tmp_path / "cache")
    write_json(tmp_path / "cache" / f"labs-{key()}.json", {"labs": list(ENTRIES.values()), "probes": [], "detectors": [], "errors": []})
    planned = engine(tmp_path, *GRID, "steps=60", "seed=0..2", "--dry-run")
    assert planned["sweep"] is None
    assert [one["new"] for one in planned["declarations"]] == [True] * 9
    assert {one["knobs"]["steps"] for one in planned["declarations"]} == {60}
    assert all_runs(tmp_path) == []

    first = engine(tmp_path, *GRID, *SMALL, "seed=0..2")
    assert len(first["statuses"]) == 9
    assert set(first["statuses"].values()) <= {"finished", "diverged"}
    assert len({(RunFolder(tmp_path / "runs" / run).spec() or {})["identity"] for run in first["statuses"]}) == 9

    again = engine(tmp_path, *GRID, *SMALL, "seed=0..2", *dry)
    assert not any(one["new"] for one in again["declarations"])
    assert [one["run"] for one in again["declarations"]] == [one["run"] for one in first["declarations"]]

    more = engine(tmp_path, *GRID, *SMALL, "seed=0..3", *dry)
    assert [one["knobs"]["seed"] for one in more["declarations"] if one["new"]] == [3, 3, 3]
    assert {one["code"] for one in more["declarations"]} == {None}, "of the same sources"
    if not dry:
        assert again["sweep"] == first["sweep"]
        assert set(more["statuses"].values()) <= {"finished", "diverged"}
    assert len(all_runs(tmp_path)) == (9 if dry else 12)
