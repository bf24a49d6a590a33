"""The committed records: of today's sources, clean commits, enough seeds; what they lack is listed, and the list shrinks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.declare.records import MEASURED
from engine.docs import alarm_origin
from engine.docs.measure import check, plan, record
from engine.labs.describe import entry
from engine.labs.detector import Detector
from engine.labs.lab import Lab
from engine.statistics.interval import Band

MOST_UNMEASURED = 0  # every preset has a record, and every record its check
ENTRIES = {name: entry(name, lab) for name, lab in Catalog("", Lab).load()[0].items()}
WANTED = [f"{lab}/{preset}" for lab, one in ENTRIES.items() for preset in plan.measurable(one["presets"])]
UNMEASURED = (MEASURED / "UNMEASURED").read_text().split() if (MEASURED / "UNMEASURED").exists() else []
FILES = sorted(path.relative_to(MEASURED).with_suffix("").as_posix() for path in MEASURED.glob("*/*.json"))


def read(name: str) -> dict[str, Any]:
    return json.loads((MEASURED / f"{name}.json").read_text("utf-8"))


def test_every_preset_has_a_record_or_stands_in_the_list_of_those_that_have_none() -> None:
    assert sorted([*FILES, *(name for name in UNMEASURED if name != check.NAME)]) == sorted(WANTED)
    assert len(UNMEASURED) <= MOST_UNMEASURED


@pytest.mark.parametrize("name", FILES)
def test_a_record_rests_on_today_s_sources_and_on_enough_seeds(name: str) -> None:
    found = read(name)
    assert found["format"] == record.FORMAT
    assert len(found["seeds"]) >= record.SEEDS
    assert plan.why_stale(ENTRIES, found) == ""


def nearly(stored: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    """Equal but for the last digit of numbers, which scipy's t has otherwise in its build for another Python."""
    numbers = {name: value for name, value in made.items() if isinstance(value, float)}
    return stored.keys() == made.keys() and all(
        value == pytest.approx(numbers[name], rel=1e-12, abs=0.0) if name in numbers else value == made[name]
        for name, value in stored.items()
    )


@pytest.mark.parametrize("name", FILES)
def test_the_stored_bands_and_pairs_are_those_of_the_runs(name: str) -> None:
    found, kinds = read(name), record.metrics()
    for key, stored in found["summary"].items():
        column = record.column(found["runs"], found["knobs"], key)
        made = record.band(column, record.kind_of(key, found["knobs"], kinds))
        assert nearly(asdict(Band.read(stored)), asdict(made)), (key, stored, made)
    for other, stored in found["paired"].items():
        made = record.pairs(found, read(f"{found['lab']}/{other}"))
        assert stored.keys() == made.keys()
        assert [key for key, one in stored.items() if not nearly(one, made[key])] == []


@pytest.mark.parametrize("name", FILES)
def test_no_interval_of_numbers_that_were_never_negative_reaches_below_0(name: str) -> None:
    """A share, a count, an error or a size: its metric says `low=0`, or its scale is logarithmic."""
    found = read(name)
    below = [key for key, stored in found["summary"].items() if stored.get("low") is not None and float(stored["low"]) < 0]
    assert [key for key in below if all((value or 0) >= 0 for value in record.column(found["runs"], found["knobs"], key))] == []


def test_every_record_names_a_commit_of_this_history() -> None:
    if not (ROOT / ".git").exists() or _git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("no history is here: a copy without git, or a shallow clone")
    known = set(_git("rev-list", "HEAD").split())
    assert {name: found["commit"] for name in FILES if (found := read(name))["commit"] not in known} == {}


@pytest.mark.parametrize(
    "name", [name for name in FILES if ENTRIES[name.partition("/")[0]]["presets"][Path(name).name]["kind"] == "breaks"]
)
def test_a_preset_that_breaks_does_so_on_seven_of_eight_seeds(name: str) -> None:
    found, preset = read(name), ENTRIES[name.partition("/")[0]]["presets"][Path(name).name]
    broke = 0
    for run in found["runs"]:
        fired = any(value for key, value in run["values"].items() if key.startswith("event/") and key.endswith("|count"))
        highest = run["values"].get(f"{preset['deciding']}|max")
        above = preset["level"] is not None and highest is not None and not float(highest) <= preset["level"]
        broke += fired or above
    assert broke >= 7


def test_the_intervals_hold_new_seeds_as_often_as_they_say() -> None:
    checked = check.read(MEASURED)
    if check.NAME not in UNMEASURED:
        assert check.complaints(checked, {name: read(name) for name in FILES}) == []
    for name, one in checked.items():
        assert one["device"], name
        assert not set(one["seeds"]) & set(read(name)["seeds"]), name


def test_the_record_of_the_detectors_rests_on_today_s_rules_runs_and_sources() -> None:
    path = MEASURED / "detectors.json"
    if not path.exists():
        pytest.skip("docs/measured/detectors.json does not exist yet; python -m engine.docs.alarms --data FOLDER writes it")
    assert alarm_origin.why_stale(json.loads(path.read_text("utf-8")), Catalog("detectors", Detector).names()) == ""


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()
