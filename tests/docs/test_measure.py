"""What a measurement keeps of its runs, when it is stale, and that it goes on where it was."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.docs.measure import confirm, plan, record, runs, training
from engine.docs.measure.__main__ import Runner, measure, seeds
from engine.docs.measure.film import curve, vectors
from engine.docs.measure.runs import Job
from engine.docs.measure.values import events, values
from engine.labs.describe import entry
from engine.labs.lab import Lab
from engine.labs.probe import Metric
from engine.statistics.interval import Kind

LABS = Catalog("", Lab).load()[0]
PROVENANCE = {
    "device": "cpu: A",
    "python": "3.11",
    "packages": {"torch": "2.13"},
    "environment": {},
    "commit": "abc",
    "data": {"sha256": "0"},
}


@pytest.mark.parametrize(("text", "expected"), [("0-2", [0, 1, 2]), ("0,3", [0, 3]), ("4", [4]), ("0-1,7", [0, 1, 7])])
def test_seeds_are_ranges_and_lists(text: str, expected: list[int]) -> None:
    assert seeds(text) == expected


@pytest.mark.parametrize("text", ["", "a", "0-", "-1", "0-x"])
def test_what_is_no_list_of_seeds_is_answered_in_a_sentence(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give one like"):
        seeds(text)


# -- values ------------------------------------------------------------------------------------------------


def readings(series: dict[tuple[str, str], list[float]], vector: list[list[float]] | None = None) -> pl.DataFrame:
    rows = [(m, layer, None, step, v) for (m, layer), column in series.items() for step, v in enumerate(column)]
    rows += [("load", "a", i, step, v) for step, row in enumerate(vector or []) for i, v in enumerate(row)]
    schema = {"metric": pl.String, "layer": pl.String, "index": pl.Int32, "step": pl.Int64, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_the_kept_numbers_are_those_of_the_curve() -> None:
    loss = [3.0 - 0.01 * step for step in range(100)] + [5.0, 6.0, 4.0] + [3.0] * 20 + [1.5] * 77
    got = values(readings({("loss/train", ""): loss, ("dead", "a"): [1.0] * 200, ("other", "a"): [1.0] * 200}), 200, ["dead"], {})
    assert (got["loss/train|last"], got["loss/train|max"], got["loss/train|min"], got["loss/train|late50"]) == (1.5, 6.0, 1.5, 1.5)
    assert (got["loss/train|peak_step"], got["loss/train|return_step"]) == (101.0, 119.0), "the first ten with at most four readings of 3"
    assert got["dead@a|last"] == 1.0
    assert not any(key.startswith("other") for key in got), "a layer counts only for the lab's own metrics"


def test_levels_and_events_tell_when_and_none_when_never() -> None:
    got = values(readings({("loss/fixed", ""): [1.0, 0.7, 0.8, 0.5]}), 4, [], {"loss/fixed": (0.8, 0.6, 0.1)})
    assert [got[f"loss/fixed|below({level})"] for level in (0.8, 0.6, 0.1)] == [1.0, 3.0, None]
    fired = [{"rule": "loss_spike", "step": 30}, {"rule": "loss_spike", "step": 9}, {"rule": "bytes_per_expert", "step": 0}]
    told = events(fired, ["loss_spike", "divergence"])
    assert told == {
        "event/divergence|count": 0.0,
        "event/divergence|first": None,
        "event/loss_spike|count": 2.0,
        "event/loss_spike|first": 9.0,
    }


def test_a_nan_makes_the_extremes_nan_and_wall_clock_is_left_out() -> None:
    got = values(readings({("loss/train", ""): [1.0, math.nan, 2.0], ("time/step", ""): [1.0]}), 3, [], {})
    assert math.isnan(got["loss/train|max"] or 0.0)
    assert not any(key.startswith("time/") for key in got)


def test_the_film_keeps_the_spike_and_the_nan() -> None:
    column = [1.0] * 1000
    column[333], column[700] = 50.0, math.nan
    told = curve(readings({("loss", ""): column}), "loss")
    assert len(told["step"]) <= 64
    assert told["value"][told["step"].index(333)] == 50.0
    assert told["value"][told["step"].index(700)] == "NaN"
    assert told["step"] == sorted(told["step"])
    drawn = vectors(readings({}, [[0.5, 0.5]] * 40))["load@a"]
    assert (len(drawn["step"]), drawn["step"][0], drawn["step"][-1]) == (12, 0, 39)


# -- records -----------------------------------------------------------------------------------------------

KNOBS = {"steps": 10, "experts": 32}
METRICS = {"dead": Metric("dead", "", layered=True, of="experts"), "loss": Metric("loss", "")}


def run(seed: int, loss: Any, dead: float = 3.0, steps: int = 10, **more: float) -> dict[str, Any]:
    kept = {"loss|last": loss, "dead@a|last": dead, **more}
    base = {"status": "finished", "steps": steps, "cpu_seconds": 1.0, "curve": None, "vectors": {}, "provenance": PROVENANCE}
    return {"seed": seed, "values": kept, **base}


def test_a_record_holds_the_band_of_every_number_and_is_plain_json() -> None:
    made = [run(s, 2.0 + 0.1 * s, 3.0 + s % 2) for s in range(7)] + [run(7, "NaN")]
    told = json.loads(json.dumps(record.document("moe", "collapse", KNOBS, {"a.py": "1"}, made, METRICS), allow_nan=False))
    assert (told["format"], told["seeds"], told["environment"]["versions"]["torch"]) == (2, list(range(8)), "2.13")
    assert (told["summary"]["loss|last"]["n"], told["summary"]["loss|last"]["of"]) == (7, 8)
    dead = told["summary"]["dead@a|last"]
    assert (dead["scale"], dead["low"], dead["high"]) == ("logit", int(dead["low"]), int(dead["high"]))


def test_a_run_that_ended_before_its_last_step_counts_by_its_events_only() -> None:
    made = [run(s, 2.0, **{"event/x|first": 5.0}) for s in range(7)] + [run(7, 99.0, steps=6, **{"event/x|first": 4.0})]
    told = record.document("moe", "collapse", KNOBS, {}, made, METRICS)
    assert told["summary"]["loss|last"]["n"] == 7
    assert (told["summary"]["event/x|first"]["n"], told["summary"]["event/x|first"]["low"] <= 4) == (8, True)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("dead@a|last", Kind(of=32)),
        ("dead@a|late50", Kind(low=0.0, high=32.0)),
        ("loss|last", Kind()),
        ("loss|peak_step", Kind(whole=True, low=0.0, high=10.0)),
        ("event/spike|count", Kind(whole=True, low=0.0)),
        ("loss/fixed|below(0.65)", Kind(whole=True, low=0.0, high=10.0)),
    ],
)
def test_the_scale_of_a_number_follows_from_what_it_is(key: str, kind: Kind) -> None:
    assert record.kind_of(key, KNOBS, METRICS) == kind


def test_a_written_record_leaves_the_list_of_the_unmeasured_and_pairs_are_filled(tmp_path: Path) -> None:
    (tmp_path / "UNMEASURED").write_text("moe/collapse\nmoe/collapse_cured\nmoe/healthy\n")
    for name, factor in (("collapse", 2.0), ("collapse_cured", 1.0)):
        made = [run(s, factor * (1 + s)) for s in range(8)]
        record.write(tmp_path, record.document("moe", name, KNOBS, {}, made, METRICS))
    assert (tmp_path / "UNMEASURED").read_text() == "moe/healthy\n"
    record.pair_up(tmp_path, [("moe", "collapse", "collapse_cured"), ("moe", "healthy", "collapse")])
    told = record.read(tmp_path, "moe", "collapse")
    assert told is not None
    assert told["paired"]["collapse_cured"]["loss|last"]["median"] == 2.0
    assert told["paired"]["collapse_cured"]["loss|last"]["k"] == 8


# -- the verb ----------------------------------------------------------------------------------------------


def job(seed: int, preset: str = "collapse") -> Job:
    return Job("moe", preset, seed, {**KNOBS}, {}, "")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs are made up; -> the seeds that were run, in order."""
    made: list[int] = []

    def make(one: Job, _kind: Any, scratch: Path, _root: Path = ROOT) -> dict[str, Any]:
        if one.seed == 5 and 7 not in made:
            raise training.NoMeasurement("seed 5 was killed")
        made.append(one.seed)
        told = run(one.seed, 1.0 + one.seed)
        one.file(scratch).write_text(json.dumps(told))
        return told

    monkeypatch.setattr("engine.docs.measure.__main__.make", make)
    return made


def test_a_measurement_that_was_cut_goes_on_with_the_seeds_that_are_missing(
    trained: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "pairs", lambda labs: [])
    monkeypatch.setattr(plan, "state", lambda *given: (KNOBS, {"a.py": "1"}, ""))
    work = [plan.Work("moe", "collapse", tuple(job(seed) for seed in range(8)))]
    docs = tmp_path / "docs"
    first = Runner(LABS, tmp_path, 1, None)
    measure(work, first, {}, docs)
    assert first.failed == 1
    assert record.read(docs, "moe", "collapse") is None, "half a record is none"
    assert "8 of 8 runs to make" in capsys.readouterr().err
    again = Runner(LABS, tmp_path, 1, None)
    measure(work, again, {}, docs)
    assert again.failed == 0
    assert sorted(trained) == list(range(8)), "no seed was run twice"
    assert "1 of 8 runs to make" in capsys.readouterr().err
    told = record.read(docs, "moe", "collapse")
    assert told is not None
    assert told["seeds"] == list(range(8))


def test_when_the_time_is_over_nothing_more_is_begun(trained: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "pairs", lambda labs: [])
    runner = Runner(LABS, tmp_path, 1, -1.0)
    measure([plan.Work("moe", "collapse", (job(0), job(1)))], runner, {}, tmp_path / "docs")
    assert (trained, runner.left) == ([], 2)


def test_a_run_leaves_its_artefacts_to_the_runs_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(_command: list[str], *, env: dict[str, str], **_more: Any) -> subprocess.CompletedProcess[str]:
        from engine.runs.folder import new_run

        data = Path(env["FAULTLINE_DATA"])
        for name, file in (("abc", "teacher.pt"), ("def", "labs.json")):
            (data / "cache" / name).mkdir(exist_ok=True)
            (data / "cache" / name / file).write_text(name)
        told = {"run": new_run(data, "moe", {}).run, "status": "diverged", "steps": 10, "events": [], "provenance": PROVENANCE}
        return subprocess.CompletedProcess([], 0, stdout=json.dumps(told), stderr="")

    monkeypatch.setattr(training.subprocess, "run", trained)
    for seed in (0, 1):
        got = runs.make(job(seed), LABS["moe"], tmp_path)
        assert (got["seed"], got["status"]) == (seed, "diverged")
        assert runs.finished(job(seed), tmp_path) == got
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["abc"]
    assert not [p for p in tmp_path.iterdir() if p.is_dir() and p.name != "cache"], "the runs themselves are not kept"


def test_confirming_compares_every_number_bit_for_bit() -> None:
    before, after = run(0, 1.0), run(0, 1.0)
    assert confirm.differing(before, {**after, "values": {**after["values"], "new|last": 1.0}}) == []
    assert confirm.differing(before, run(0, 1.0 + 2**-52)) == ["loss|last"]
    assert confirm.differing(before, {**after, "values": {}}) == ["loss|last", "dead@a|last"]
    assert confirm.differing(run(0, "NaN"), run(0, "NaN")) == []


def test_a_confirmed_record_is_of_today_s_sources_and_of_today_s_declaration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labs = {"moe": entry("moe", LABS["moe"])}
    stored = json.loads((ROOT / "docs" / "measured" / "moe" / "healthy.json").read_text("utf-8"))
    older = {name: value for name, value in stored["knobs"].items() if name != "capacity"}  # before there was that knob
    stored = {**stored, "knobs": older, "sources": {"hash": "0", "files": {}}, "confirmed": []}
    assert plan.why_stale(labs, stored)
    (one,) = plan.work(labs, [("moe", "healthy")], [0])
    knobs, decides, _ = plan.state(labs, "moe", "healthy", plan.kept(stored))
    monkeypatch.setattr(confirm, "_checkout", lambda commit: nullcontext(tmp_path))
    monkeypatch.setattr(confirm, "make", lambda *given: run(0, 1.0))
    assert confirm.confirm(stored, one.jobs[0], LABS["moe"], tmp_path, tmp_path, knobs, decides) == ""
    renewed = record.read(tmp_path, "moe", "healthy")
    assert plan.why_stale(labs, renewed) == ""
    assert (renewed["runs"], renewed["summary"], len(renewed["confirmed"])) == (stored["runs"], stored["summary"], 1)
    monkeypatch.setattr(confirm, "make", lambda job, kind, scratch, *then: run(0, 1.0 if then else 2.0))
    assert "one number of seed 0 moved since its commit (loss|last)" in confirm.confirm(
        stored, one.jobs[0], LABS["moe"], tmp_path, tmp_path, knobs, decides
    )


def test_changed_files_are_those_that_decide(tmp_path: Path) -> None:
    for command in (["init", "-q"], ["config", "user.email", "a@b"], ["config", "user.name", "a"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "a.py").write_text("1")
    subprocess.run(["git", "-C", str(tmp_path), "add", "-A"], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "commit", "-qm", "x"], check=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.json").write_text("1")
    assert plan.changed_files(tmp_path) == []
    (tmp_path / "engine" / "a.py").write_text("2")
    assert plan.changed_files(tmp_path) == ["engine/a.py"]
    shutil.rmtree(tmp_path / ".git")
