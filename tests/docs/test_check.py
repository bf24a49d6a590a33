"""Intervals are held against new seeds, preset by preset, and a run that follows a teacher has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.docs.measure import check, plan, record, teachers
from engine.labs.describe import entry
from tests.docs.test_measure import KNOBS, LABS, METRICS, PROVENANCE, run


def test_a_new_seed_counts_as_inside_or_outside_and_intervals_of_no_width_do_not_count() -> None:
    found = record.document("moe", "collapse", KNOBS, {}, [run(s, 1.0 + 0.1 * s) for s in range(8)], METRICS)
    assert check.inside(found, [run(9, 1.3), run(10, 50.0), run(11, "NaN")]) == {"inside": 1, "of": 3}
    assert check.inside(found, [run(9, 1.3, steps=4)]) == {"inside": 0, "of": 0}


def came_to(seed: int, step: float | None, **others: Any) -> dict[str, Any]:
    made = run(seed, 1.0, **others)
    return {**made, "values": {"loss/train|below(0)": step}}


def test_a_new_run_that_never_comes_to_what_all_recorded_ones_came_to_lies_outside() -> None:
    all_came = record.document("moe", "collapse", KNOBS, {}, [came_to(s, 3.0 + s) for s in range(8)], METRICS)
    assert check.inside(all_came, [came_to(9, 6.0), came_to(10, None)]) == {"inside": 1, "of": 2}
    assert check.inside(all_came, [came_to(9, None, steps=4)]) == {"inside": 0, "of": 0}, "it may yet have come to it"
    assert check.inside(all_came, [run(9, 1.0)]) == {"inside": 0, "of": 0}, "it was never asked"
    some_came = record.document("moe", "collapse", KNOBS, {}, [came_to(s, None if s < 2 else 3.0 + s) for s in range(8)], METRICS)
    assert check.inside(some_came, [came_to(9, 6.0), came_to(10, None)]) == {"inside": 1, "of": 1}


def checked_of(document: dict[str, Any], inside: int, **others: Any) -> dict[str, Any]:
    return {**check.of_preset(document, [run(9, 1.0), run(10, 1.0)]), "inside": inside, "of": 10, **others}


def test_the_check_complains_of_too_few_and_of_records_that_came_later() -> None:
    found = record.document("moe", "collapse", KNOBS, {}, [run(s, 1.0 + 0.1 * s) for s in range(8)], METRICS)
    records = {"moe/collapse": found}
    assert checked_of(found, 9)["seeds"] == [9, 10]
    assert check.complaints({"moe/collapse": checked_of(found, 9)}, records) == []
    (later,) = check.complaints({"moe/collapse": checked_of(found, 9)}, {"moe/collapse": {**found, "date": "2000-01-01"}})
    assert later.startswith("moe/collapse was measured after its check")
    assert check.complaints({}, records) == [later], "what was never checked is due as well"
    too_few, half = check.complaints({"moe/collapse": checked_of(found, 4)}, records)
    assert too_few.startswith("Only 40%")
    assert half.startswith("moe/collapse: 4 of 10")


def test_a_record_that_was_only_confirmed_keeps_its_check() -> None:
    found = record.document("moe", "collapse", KNOBS, {}, [run(s, 1.0) for s in range(8)], METRICS)
    checked = {"moe/collapse": checked_of(found, 9, hash="of other sources")}
    assert check.due(checked, "moe/collapse", found)
    assert not check.due(checked, "moe/collapse", {**found, "confirmed": [{"commit": "abc"}]})


def test_checks_are_added_preset_by_preset_and_the_line_goes_with_the_last(tmp_path: Path) -> None:
    (tmp_path / "UNMEASURED").write_text("check\n")
    found = record.document("moe", "collapse", KNOBS, {}, [run(s, 1.0) for s in range(8)], METRICS)
    records = {"moe/collapse": found, "moe/healthy": {**found, "preset": "healthy"}}
    one = {"moe/collapse": checked_of(found, 9), "moe/gone": checked_of(found, 9)}
    check.write(tmp_path, one, records)
    assert list(check.read(tmp_path)) == ["moe/collapse"], "a preset without a record leaves the table"
    assert (tmp_path / "UNMEASURED").read_text() == "check\n"
    check.write(tmp_path, {**check.read(tmp_path), "moe/healthy": checked_of(found, 8)}, records)
    assert json.loads((tmp_path / "check.json").read_text())["pooled"] == {"inside": 17, "of": 20}
    assert (tmp_path / "UNMEASURED").read_text() == ""


def test_a_run_that_follows_a_teacher_has_it_trained_first_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever seeds are measured: the teacher has a seed of its own."""
    trained: list[tuple[str, int, dict[str, Any]]] = []

    def train(lab: str, preset: str, seed: int, data: Path, *, knobs: dict[str, Any], root: Path) -> dict[str, Any]:
        trained.append((preset, seed, knobs))
        (data / "cache" / "abc").mkdir(parents=True)
        (data / "cache" / "abc" / "teacher.pt").write_text("weights")
        return {"provenance": PROVENANCE}

    monkeypatch.setattr(teachers, "train", train)
    entries = {"consistency": entry("consistency", LABS["consistency"])}
    for one in plan.work(entries, [("consistency", "calm"), ("consistency", "digits"), ("consistency", "digits_slower_0.001")], [9]):
        teachers.teach("consistency", LABS["consistency"], one.jobs[0].knobs, tmp_path)
    ((preset, seed, knobs),) = trained
    assert (preset, seed) == ("teacher", 0)
    assert (knobs["data"], knobs["velocity"]) == ("digits", "data")
    assert (tmp_path / "cache" / "abc" / "teacher.pt").exists()
