"""Run folders that earlier versions wrote open, say what they said then, fill an index and go on where they were stopped."""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.core.paths import ROOT
from engine.runs.folder import RunFolder
from engine.scheduler.local import Local
from tests.support.toy import until

OLD = ROOT / "tests" / "support" / "old_run"
VERSIONS = sorted(folder.name for folder in OLD.iterdir() if folder.is_dir())
RUNS = [(version, run.name) for version in VERSIONS for run in sorted((OLD / version / "runs").iterdir())]
GOING = ("queued", "running")
IDENTITY = ("kind", "default", "min", "max")  # of a knob; its texts may be told better

Engine = Callable[..., Any]


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def of(run: str, kind: str) -> str:
    """The stored document of a run: `show-moe.json`."""
    return f"{kind}-{run.split('-')[2]}.{'csv' if kind == 'metrics' else 'json'}"


STOPPED = [(version, run) for version, run in RUNS if read(OLD / version / "runs" / run / "exit.json")["status"] == "stopped"]


@pytest.fixture
def opened(data: Path) -> Callable[[str], Engine]:
    """`opened("0.1")` copies that version's runs into a data folder and gives the command line over it.

    `code` is the exit code that is expected; with another one than 0 the sentence on stderr is the answer.
    """

    def engine(*arguments: str, code: int = 0) -> Any:
        environment = {**os.environ, "FAULTLINE_DATA": str(data), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "engine", *arguments, "--json"]
        said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert said.returncode == code, said.stderr
        return said.stderr if code else json.loads(said.stdout)

    def copied(version: str) -> Engine:
        shutil.copytree(OLD / version / "runs", data / "runs")
        return engine

    return copied


def missing(old: Any, new: Any, where: str = "") -> list[str]:
    """Where today's document says something else or less; more is fine, and so are other dates and other measured times."""
    if isinstance(old, dict) and isinstance(new, dict):
        kept = [key for key in old if key not in ("created", "t") and not key.startswith("time/")]
        gone = [f"{where}.{key} is gone" for key in kept if key not in new]
        return gone + [line for key in kept if key in new for line in missing(old[key], new[key], f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for n, pair in enumerate(zip(old, new, strict=True)) for line in missing(*pair, f"{where}[{n}]")]
    return [] if old == new and type(old) is type(new) else [f"{where} was {old!r} and is {new!r}"]


def table(file: Path, *, timed: bool = False) -> list[tuple[str, ...]]:
    """metric, layer, index, step, value as text; without times that were measured unless `timed`."""
    with open(file, newline="") as lines:
        found = [tuple(row[name] for name in ("metric", "layer", "index", "step", "value")) for row in csv.DictReader(lines)]
    return [row for row in found if timed or not row[0].startswith("time/")]


@pytest.mark.parametrize("version", VERSIONS)
def test_old_runs_are_listed_and_shown_as_they_were(version: str, opened: Callable[[str], Engine]) -> None:
    engine, documents = opened(version), OLD / version / "documents"
    assert missing(read(documents / "runs.json"), engine("runs")) == []
    for run in (run for found, run in RUNS if found == version):
        assert missing(read(documents / of(run, "show")), engine("show", run)) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_old_points_are_exported_as_they_were_and_fill_an_index(version: str, opened: Callable[[str], Engine], tmp_path: Path) -> None:
    engine, points, runs = opened(version), 0, [run for found, run in RUNS if found == version]
    for run in runs:
        engine("metrics", run, "--out", str(tmp_path / "today.csv"))
        before = OLD / version / "documents" / of(run, "metrics")
        assert table(tmp_path / "today.csv") == table(before)
        points += len({(metric, layer, step) for metric, layer, _, step, _ in table(before, timed=True)})  # a vector is one point
    assert missing({"runs": len(runs), "points": points, "problems": []}, engine("rebuild")) == []


@pytest.mark.parametrize(("version", "run"), STOPPED)
def test_a_stopped_old_run_goes_on_to_its_last_step(
    version: str, run: str, opened: Callable[[str], Engine], data: Path, tmp_path: Path
) -> None:
    engine, folder = opened(version), RunFolder(data / "runs" / run)
    if folder.provenance()["python"] != platform.python_version():  # the text of moe is the standard library: another Python, another text
        now = Local().data_today(folder)["sha256"]
        if now != hash_of_data(data, run):
            assert_refused(engine, run, hash_of_data(data, run), now)
            return
    engine("resume", run)
    until(lambda: RunFolder(data / "runs" / run).status() not in GOING)
    shown = engine("show", run)
    steps = shown["knobs"]["steps"]
    assert (shown["status"], shown["steps"]) == ("finished", steps)
    engine("metrics", run, "loss/train", "--out", str(tmp_path / "today.csv"))
    today = table(tmp_path / "today.csv")
    before = [row for row in table(OLD / version / "documents" / of(run, "metrics")) if row[0] == "loss/train"]
    assert [int(row[3]) for row in today] == list(range(steps)), "every step once"
    assert 0 < len(before) < steps
    assert today[: len(before)] == before, "what was measured before the stop stays"


@pytest.mark.parametrize(("version", "run"), STOPPED[:1])  # one is enough: no lab has a say in it
def test_an_old_run_of_other_data_does_not_go_on(version: str, run: str, opened: Callable[[str], Engine], data: Path) -> None:
    engine, folder = opened(version), RunFolder(data / "runs" / run)
    provenance = folder.path / "provenance.json"
    provenance.write_text(provenance.read_text().replace(hash_of_data(data, run), "0" * 64))
    before = {path.name: path.stat().st_size for path in folder.path.iterdir()}
    assert_refused(engine, run, "0" * 64, "[0-9a-f]{64}")
    assert {path.name: path.stat().st_size for path in folder.path.iterdir()} == before, "nothing was changed"


def hash_of_data(data: Path, run: str) -> str:
    """Of the data that the run was trained on."""
    return read(data / "runs" / run / "provenance.json")["data"]["sha256"]


def assert_refused(engine: Engine, run: str, then: str, now: str) -> None:
    """One sentence with both hashes, and the status stays."""
    says = engine("resume", run, code=2)
    assert re.search(f"sha256 was {then} and is {now}", says)
    assert says.count("\n") == 1
    assert engine("show", run)["status"] == "stopped"


@pytest.mark.parametrize("version", VERSIONS)
def test_no_old_declaration_is_written_back(version: str, opened: Callable[[str], Engine], data: Path) -> None:
    engine = opened(version)
    engine("runs")
    for found, run in RUNS:
        if found == version:
            assert (data / "runs" / run / "spec.json").read_bytes() == (OLD / version / "runs" / run / "spec.json").read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
def test_today_knows_every_lab_preset_knob_probe_and_detector(version: str, opened: Callable[[str], Engine]) -> None:
    assert missing(names(read(OLD / version / "documents" / "labs.json")), names(opened(version)("labs"))) == []


def names(document: dict[str, Any]) -> dict[str, Any]:
    """What a labs document says without its texts, by name: labs with presets and knobs, probes, detectors, errors."""
    listed = {kind: {entry["name"]: {} for entry in document[kind]} for kind in ("probes", "detectors")}
    of_labs = {lab["lab"]: {"presets": presets(lab), "knobs": knobs(lab["knobs"])} for lab in document["labs"]}
    return {"labs": of_labs, "errors": document["errors"], **listed}


def presets(lab: dict[str, Any]) -> dict[str, Any]:
    """Twin and names of the knobs: a preset may set another value today, for every old run has its own in its folder."""
    return {name: {"knobs": {key: {} for key in preset["knobs"]}, "twin": preset["twin"]} for name, preset in lab["presets"].items()}


def knobs(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Kind, default and bounds of each knob by name, and so on into its choices."""
    return {
        knob["name"]: {key: knob[key] for key in IDENTITY} | {"choices": {c["name"]: knobs(c.get("knobs", [])) for c in knob["choices"]}}
        for knob in entries
    }
