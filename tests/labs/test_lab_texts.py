"""The texts beside every lab: their numbers are measured, of today's presets, and follow the records; what names nothing is refused."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.declare.knobs import Problems
from engine.declare.measured import Outdated, Unmeasured, fill, verify
from engine.declare.records import MEASURED
from engine.declare.texts import TextError
from engine.labs import describe
from engine.labs.describe import entry
from engine.labs.lab import Lab
from engine.labs.moe.panels.router_noise import RouterNoise
from engine.labs.moe.remedies.router.hash import Hash
from engine.labs.moe.remedies.router.softmax_top_k import SoftmaxTopK
from engine.labs.optimizer.sgd import SGD
from tests.support.made_records import RECORD, RUN

LABS = Catalog("", Lab).load()[0]
ENTRIES = {name: entry(name, lab) for name, lab in LABS.items()}


UNMEASURED = frozenset((MEASURED / "UNMEASURED").read_text().split()) if (MEASURED / "UNMEASURED").exists() else frozenset()


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Made-up records of format 2 for the preset healthy of the lab moe."""
    values = {"loss/validation|last": 2.0}
    runs = [{**RUN, "seed": seed, "steps": 300, "values": values} for seed in range(8)]
    band = {"n": 8, "of": 8, "median": 2.0, "low": 2.0, "high": 2.0, "scale": "equal"}
    document = {**RECORD, "lab": "moe", "preset": "healthy", "runs": runs, "summary": {"loss/validation|last": band}}
    (tmp_path / "moe").mkdir()
    (tmp_path / "moe" / "healthy.json").write_text(json.dumps(document))
    return tmp_path


ONE = {**ENTRIES["moe"], "story": "It ends at {band healthy loss/validation}.", "chart_notes": {}, "panels": [], "knobs": []}
TOY = {**ONE, "presets": {"healthy": {**ENTRIES["moe"]["presets"]["healthy"], "story": "", "see": ""}}}


def changed(path: Path, change: Any) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("name", LABS)
def test_every_number_of_a_text_is_measured_with_the_preset_of_today(name: str) -> None:
    verify(ENTRIES[name], unmeasured=UNMEASURED)


def test_a_missing_measurement_is_named_and_the_page_says_so(records: Path) -> None:
    verify(TOY, records)
    (records / "moe" / "healthy.json").unlink()
    with pytest.raises(Unmeasured, match=r"moe/healthy\.json does not exist"):
        verify(TOY, records)
    verify(TOY, records, frozenset({"moe/healthy"}))
    assert fill({"labs": [TOY]}, records)["labs"][0]["story"] == "It ends at not measured yet."


def test_a_record_without_the_metric_is_named(records: Path) -> None:
    changed(records / "moe" / "healthy.json", lambda one: one["summary"].pop("loss/validation|last"))
    with pytest.raises(Unmeasured, match=r"moe/healthy\.json does not hold loss/validation \(last\)"):
        verify(TOY, records)


def test_a_record_of_other_knobs_or_of_another_preset_is_named(records: Path) -> None:
    changed(records / "moe" / "healthy.json", lambda one: one["runs"][0].update(steps=200))
    with pytest.raises(Outdated, match=r"moe/healthy\.json was measured over 200 steps, the preset has 300 now"):
        verify(TOY, records)
    changed(records / "moe" / "healthy.json", lambda one: one.update(preset="collapse"))
    with pytest.raises(Outdated, match=r"moe/healthy\.json is a record of collapse of moe"):
        verify(TOY, records)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("{band colapse loss/validation}", 'No preset "colapse": did you mean "collapse"?'),
        ("{band collapse grad_nrom}", 'No metric "grad_nrom": did you mean "grad_norm"?'),
        ("{band collapse router/dead_experts}", "write router/dead_experts@LAYER."),
        ("{knob router.no_such_knob}", 'No knob "router.no_such_knob"'),
        ("{fd_small/one_step}", 'No placeholder "fd_small/one_step"'),
    ],
)
def test_a_placeholder_that_names_nothing_fails_when_the_lab_is_loaded(
    written: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = (ROOT / "engine" / "labs" / "moe" / "moe.md").read_text()
    other = tmp_path / "moe.md"
    other.write_text(beside.replace("Dead experts. After", f"{written} Dead experts. After", 1))
    monkeypatch.setattr(describe.inspect, "getfile", lambda kind: str(tmp_path / "moe.py"))
    with pytest.raises(TextError) as refused:
        entry("moe", LABS["moe"])
    assert str(refused.value).startswith("moe.md: ")
    assert written in str(refused.value)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "attribute", "text", "message"),
    [
        (Hash, "idea", "{shown colapse}", "router/hash.py: {shown colapse} cannot be filled: No preset"),
        (Hash, "cost", "It takes {knob no_such_knob}.", "router/hash.py: {knob no_such_knob} cannot be filled: No knob"),
        (Hash, "fails", "{band collapse grad_nrom}", "router/hash.py: {band collapse grad_nrom} cannot be filled: No metric"),
        (Hash, "__doc__", "Differs: {cite 3}.", "router/hash.py: {cite 3} cannot be filled: its form must be"),
        (SGD, "fails", "It ends } at once.", "engine/labs/optimizer/sgd.py: a brace stands alone"),
        (RouterNoise, "about", "{no placeholder}", "panels/router_noise.py: {no placeholder} cannot be filled: No placeholder"),
    ],
    ids=["idea", "cost", "fails", "differs", "shared", "panel"],
)
def test_an_answer_or_a_panel_with_a_placeholder_that_names_nothing_is_told_and_hides_nothing_else(
    kind: type, attribute: str, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, attribute, text)
    with pytest.raises(TextError) as refused:
        entry("moe", LABS["moe"])
    assert message in str(refused.value)
    assert str(refused.value).startswith("engine/labs/")
    assert "\n" not in str(refused.value)
    problems: Problems = []
    left = entry("moe", LABS["moe"], problems)
    assert [f"{one.file}: {one.message}" for one in problems] == [str(refused.value)]
    names = {choice["name"] for spec in left["knobs"] for choice in spec["choices"]} | {panel["name"] for panel in left["panels"]}
    every = {c["name"] for spec in ENTRIES["moe"]["knobs"] for c in spec["choices"]} | {p["name"] for p in ENTRIES["moe"]["panels"]}
    assert every - names == {problems[0].name}


def test_a_default_answer_with_a_placeholder_that_names_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SoftmaxTopK, "fails", "{shown colapse}")
    with pytest.raises(TextError, match=r"router/softmax_top_k\.py: \{shown colapse\} cannot be filled"):
        entry("moe", LABS["moe"], [])


def test_a_lab_without_its_text_says_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describe.inspect, "getfile", lambda kind: str(tmp_path / "moe.py"))
    with pytest.raises(TextError, match=r"moe\.md: it does not exist; the texts of the lab moe belong there"):
        entry("moe", LABS["moe"])


def test_an_installed_package_carries_the_texts() -> None:
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["engine"]
    carried = {file for pattern in globs for file in (ROOT / "engine").glob(pattern)}
    labs = Catalog("", Lab)
    assert {(ROOT / labs.file(name)).with_suffix(".md") for name in labs.names()} <= carried
