"""One way to train a run of a measurement: what is asked for, and one sentence for every end that is no measurement."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.docs import alarms
from engine.docs.alarm_plan import Planned
from engine.docs.measure import training
from engine.docs.measure.training import NoMeasurement, train


def answers(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "") -> list[dict[str, Any]]:
    """The command line answers this; -> what it was asked, call by call."""
    asked: list[dict[str, Any]] = []

    def run(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        asked.append({"command": command[1:], "data": more["env"]["FAULTLINE_DATA"], "root": more["cwd"]})
        return subprocess.CompletedProcess(command, 1, stdout=stdout, stderr=stderr)

    monkeypatch.setattr(training, "subprocess", SimpleNamespace(run=run))
    return asked


def test_a_run_is_asked_for_with_its_preset_seed_knobs_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"run": "a", "status": "diverged"}
    asked = answers(monkeypatch, json.dumps(document))
    assert train("moe", "healthy", 3, tmp_path, knobs={"steps": 9}, root=tmp_path / "tree") == document
    command = ["-m", "engine", "run", "moe", "--preset", "healthy", "seed=3", "--json", "steps=9"]
    assert asked == [{"command": command, "data": str(tmp_path), "root": tmp_path / "tree"}]


@pytest.mark.parametrize(
    ("stdout", "stderr", "sentence"),
    [
        ("", "Traceback\n\nMemoryError: no room\n", "moe/healthy seed 0: MemoryError: no room (exit 1)."),
        ('{"error": "No knob \\"lrr\\"."}', "", 'moe/healthy seed 0: No knob "lrr".'),
        ('{"status": "failed", "says": "a\\nb"}', "", "moe/healthy seed 0 ended failed: b"),
        ('{"status": "stopped"}', "", "moe/healthy seed 0 ended stopped."),
    ],
)
def test_any_other_end_is_one_sentence(stdout: str, stderr: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, stdout, stderr)
    with pytest.raises(NoMeasurement) as refused:
        train("moe", "healthy", 0, tmp_path)
    assert str(refused.value) == sentence


def test_a_run_that_ends_otherwise_does_not_end_the_measurement_of_the_detectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, '{"error": "The disk is full."}')
    plan = [Planned("stable", "moe", "healthy", seed) for seed in range(2)]
    document, missing = alarms.measure(plan, tmp_path, 1, math.inf)
    assert (document["runs"], missing) == ([], 2)
