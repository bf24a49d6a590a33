"""The texts beside every lab: their numbers are measured, of today's presets, and follow the records; what names nothing is refused."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.declare.measured import MEASURED, Outdated, Unmeasured, fill, verify
from engine.declare.texts import TextError
from engine.labs import describe
from engine.labs.describe import entry
from engine.labs.lab import Lab

LABS = Catalog("", Lab).load()[0]
ENTRIES = {name: entry(name, lab) for name, lab in LABS.items()}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A copy of docs/measured that a test may change."""
    return Path(shutil.copytree(MEASURED, tmp_path / "measured"))


def changed(path: Path, change: Any) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("name", LABS)
def test_every_number_of_a_text_is_measured_with_the_preset_of_today(name: str) -> None:
    verify(ENTRIES[name])


def test_a_missing_measurement_is_named_and_the_page_says_so(records: Path) -> None:
    (records / "moe" / "collapse_cured.json").unlink()
    with pytest.raises(Unmeasured, match=r"moe/collapse_cured\.json does not exist"):
        verify(ENTRIES["moe"], records)
    see = fill({"labs": [ENTRIES["moe"]]}, records)["labs"][0]["presets"]["collapse"]["see"]
    assert "against not measured yet with the bias" in see
    assert "16 to 21 of 32" in see, "what is measured stays"


def test_a_record_without_the_metric_is_named(records: Path) -> None:
    changed(records / "moe" / "healthy.json", lambda lab: lab["runs"][1]["metrics"].pop("loss/validation"))
    with pytest.raises(Unmeasured, match=r"moe/healthy\.json does not hold loss/validation \(last\)"):
        verify(ENTRIES["moe"], records)


def test_a_record_of_other_knobs_or_of_another_preset_is_named(records: Path) -> None:
    changed(records / "moe" / "healthy.json", lambda lab: lab["runs"][0].update(steps=200))
    with pytest.raises(Outdated, match=r"moe/healthy\.json was measured over 200 steps, the preset has 300 now"):
        verify(ENTRIES["moe"], records)
    shutil.copy(records / "moe" / "collapse.json", records / "moe" / "healthy.json")
    with pytest.raises(Outdated, match=r"moe/healthy\.json is a record of collapse of moe"):
        verify(ENTRIES["moe"], records)


def test_another_measurement_is_another_text(records: Path) -> None:
    before = fill({"labs": [ENTRIES["moe"]]}, records)["labs"][0]["presets"]["healthy"]["see"]
    changed(records / "moe" / "healthy.json", lambda lab: lab["runs"][0]["metrics"].update({"loss/validation": 9.25}))
    after = fill({"labs": [ENTRIES["moe"]]}, records)["labs"][0]["presets"]["healthy"]["see"]
    assert before != after
    assert "2.3 to 9.2 nats per byte" in after


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
    other.write_text(beside.replace("Dead experts. After", f"{written} Dead experts. After"))
    monkeypatch.setattr(describe.inspect, "getfile", lambda kind: str(tmp_path / "moe.py"))
    with pytest.raises(TextError) as refused:
        entry("moe", LABS["moe"])
    assert str(refused.value).startswith("moe.md: ")
    assert written in str(refused.value)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_lab_without_its_text_says_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describe.inspect, "getfile", lambda kind: str(tmp_path / "moe.py"))
    with pytest.raises(TextError, match=r"moe\.md: it does not exist; the texts of the lab moe belong there"):
        entry("moe", LABS["moe"])


@pytest.mark.parametrize("name", LABS)
def test_no_brace_of_a_placeholder_reaches_a_reader(name: str) -> None:
    lab = fill({"labs": [ENTRIES[name]]})["labs"][0]
    texts = [lab["story"], *lab["chart_notes"].values(), *(panel["about"] for panel in lab["panels"])]
    texts += [one[key] for one in lab["presets"].values() for key in ("story", "see")]
    assert [text for text in texts if re.search("[{}]", text)] == []


def test_an_installed_package_carries_the_texts() -> None:
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["engine"]
    carried = {file for pattern in globs for file in (ROOT / "engine").glob(pattern)}
    labs = Catalog("", Lab)
    assert {(ROOT / labs.file(name)).with_suffix(".md") for name in labs.names()} <= carried
