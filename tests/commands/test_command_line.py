"""The command line: one JSON document on stdout, one sentence on stderr, and the exit codes that programs rely on."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from engine.runs.ending import ENDED
from engine.runs.folder import all_runs
from tests.support.toy import DOCUMENT, Answer, refused


def test_run_waits_and_prints_the_show_document(engine: Callable[..., Answer]) -> None:
    code, told, err = engine("run", "toy", "--preset", "short", "seed=2", "--json")
    assert (code, err) == (0, "")
    wanted = ("run", "lab", "preset", "status", "steps", "knobs", "metrics", "events", "provenance", "parent")
    assert set(wanted) <= set(told)
    assert (told["lab"], told["preset"], told["status"], told["steps"], told["parent"]) == ("toy", "short", "finished", 3, None)
    assert told["knobs"]["seed"] == 2
    known = {"commit", "dirty", "python", "packages", "environment", "device", "kernels", "data", "stack", "stacking"}
    assert set(told["provenance"]) == known
    loss = told["metrics"]["loss/train"]
    assert {"unit", "kind", "points", "last", "min", "max", "nonfinite"} == set(loss)
    assert (loss["points"], loss["last"]) == (3, 1 / 3)
    assert told["metrics"]["load@a"]["last"] == [2.0, 1.0]
    assert told["metrics"]["load@a"]["size"] == 2
    assert engine("show", told["run"], "--json")[1] == told


@pytest.mark.parametrize(("knobs", "code", "status"), [
    (["behave=fail"], 3, "failed"),
    (["behave=mute", "code=9"], 3, "failed"),
    (["behave=mute", "code=4"], 4, "diverged"),
    (["behave=mute", "code=6"], 6, "stopped"),
])  # fmt: skip
def test_the_exit_code_tells_how_the_run_ended(engine: Callable[..., Answer], knobs: list[str], code: int, status: str) -> None:
    found, told, _ = engine("run", "toy", *knobs, "--json")
    assert (found, told["status"]) == (code, status)


@pytest.mark.parametrize(("arguments", "code", "part"), [
    (["frob"], 2, 'No verb "frob"'),
    (["logz"], 2, 'did you mean "logs"?'),
    (["fork", "toy"], 2, "`fork` is not built yet"),
    (["run"], 2, "The following arguments are required: LAB"),
    (["run", "toi"], 2, 'did you mean "toy"?'),
    (["run", "bad"], 2, "bad could not be read: SyntaxError"),
    (["run", "toy", "--preset", "shrt"], 2, 'did you mean "short"?'),
    (["run", "toy", "steps=0"], 2, "steps=0 is out of bounds; give a whole number from 1"),
    (["run", "toy", "step=1"], 2, 'did you mean "steps"?'),
    (["run", "toy", "steps"], 2, '"steps" is not KNOB=VALUE'),
    (["run", "toy", "steps=1", "steps=2"], 2, "steps was given twice"),
    (["run", "toy", "--detatch"], 2, "Unrecognized arguments: --detatch"),
    (["labs", "toi"], 5, 'did you mean "toy"?'),
    (["show", "20990101-000000-toy-abcd"], 5, "No run"),
    (["show", "../../etc"], 5, 'No run "../../etc"'),
    (["logs", "x"], 5, 'No run "x"'),
    (["stop", "x"], 5, 'No run "x"'),
    (["metrics", "x", "--out", "a.csv"], 5, 'No run "x"'),
    (["metrics", "x", "--out", "a.xls"], 2, "give a file name that ends in .csv or .parquet"),
    (["metrics", "x"], 2, "required: --out"),
    (["runs", "--status", "fine"], 2, "Allowed are diverged, failed"),
])  # fmt: skip
def test_what_cannot_be_done_is_refused_in_one_sentence(
    engine: Callable[..., Answer], toy_data: Path, arguments: list[str], code: int, part: str
) -> None:
    refused(engine(*arguments, "--json"), code, part)
    assert not list(toy_data.glob("runs/*")), "nothing was made"


def test_labs_lists_the_catalog_and_one_lab(engine: Callable[..., Answer]) -> None:
    assert engine("labs", "--json")[1] == DOCUMENT
    code, told, _ = engine("labs", "toy", "--json")
    assert code == 0
    assert [lab["lab"] for lab in told["labs"]] == ["toy"]
    text = engine("labs", "toy")[1]
    assert "--preset short" in text
    assert "steps=20, a whole number from 1 to 10000000" in text


def test_runs_are_listed_and_chosen(engine: Callable[..., Answer]) -> None:
    assert engine("runs", "--json")[1] == {"runs": []}
    made = [engine("run", "toy", *knobs, "--json")[1]["run"] for knobs in (["seed=1"], ["behave=fail"])]
    told = engine("runs", "--json")[1]["runs"]
    assert [r["run"] for r in told] == made
    assert {"run", "lab", "preset", "status", "steps", "created", "seed", "who", "sweep", "last"} <= set(told[0])
    first = next(r for r in told if r["run"] == made[0])
    assert (first["seed"], first["last"]["loss/train"], first["sweep"]) == (1, 1 / 20, None)
    assert [r["run"] for r in engine("runs", "--status", "failed", "--json")[1]["runs"]] == [made[1]]
    assert engine("runs", "--lab", "other", "--json")[1] == {"runs": []}
    assert made[0] in engine("runs")[1]


def test_logs_are_the_output_of_the_worker(engine: Callable[..., Answer]) -> None:
    run = engine("run", "toy", "behave=fail", "--json")[1]["run"]
    told = engine("logs", run, "--json")[1]
    assert told["run"] == run
    assert told["lines"][-1] == "ValueError: as it was told to"
    assert engine("logs", run, "--last", "1")[1] == "ValueError: as it was told to\n"


def test_metrics_are_the_same_bytes_for_the_same_run_twice_but_for_time(engine: Callable[..., Answer], tmp_path: Path) -> None:
    tables = []
    for n in range(2):
        run = engine("run", "toy", "--preset", "short", "--json")[1]["run"]
        code, told, _ = engine("metrics", run, "--out", str(tmp_path / f"{n}.csv"), "--json")
        assert (code, told) == (0, {"run": run, "file": str(tmp_path / f"{n}.csv"), "rows": 12})
        rows = list(csv.reader((tmp_path / f"{n}.csv").read_text().splitlines()))
        assert rows[0] == ["metric", "layer", "index", "step", "t", "value"]
        tables.append([[c for i, c in enumerate(row) if i != 4] for row in rows])
    assert tables[0] == tables[1]
    assert tables[0][1:4] == [["grad_norm", "a", "", str(n), f"{n}.0"] for n in range(3)]
    assert [row[:4] for row in tables[0][4:10]] == [["load", "a", str(i), str(n)] for i in range(2) for n in range(3)]
    assert tables[0][10][:2] == ["loss/train", ""]


def test_metrics_can_be_chosen_and_written_as_parquet(engine: Callable[..., Answer], tmp_path: Path) -> None:
    run = engine("run", "toy", "--json")[1]["run"]
    out = str(tmp_path / "m.parquet")
    assert engine("metrics", run, "loss", "load@a", "--out", out, "--json")[1]["rows"] == 20 + 40
    frame = pl.read_parquet(out)
    assert frame.columns == ["metric", "layer", "index", "step", "t", "value"]
    assert set(frame["metric"]) == {"loss/train", "load"}
    refused(engine("metrics", run, "lost/train", "--out", out, "--json"), 5, 'did you mean "loss/train"?')
    refused(engine("metrics", run, "--out", str(tmp_path / "no" / "m.csv"), "--json"), 3, "could not be written")


def test_rebuild_gives_the_same_answers(engine: Callable[..., Answer], toy_data: Path) -> None:
    before = engine("run", "toy", "--json")[1]
    assert engine("rebuild", "--json")[1] == {"runs": 1, "points": 60, "problems": []}
    assert engine("show", before["run"], "--json")[1] == before
    assert all(r.status() in ENDED for r in all_runs(toy_data))


def test_doctor_examines_the_machine(engine: Callable[..., Answer], toy_data: Path) -> None:
    code, told, _ = engine("doctor", "--json")
    assert code == 0
    checks = {c["name"]: c for c in told["checks"]}
    assert {"python", "packages", "torch", "gpu", "cores", "data", "private", "disk", "owner", "supervisor", "index", "chromium"} == set(
        checks
    )
    assert all(set(c) == {"name", "ok", "says"} for c in told["checks"])
    assert checks["python"]["ok"]
    assert checks["data"]["says"] == str(toy_data)


def test_help_names_every_verb(engine: Callable[..., Answer]) -> None:
    code, text, _ = engine("--help")
    assert code == 0
    for verb in ("labs", "run", "runs", "show", "metrics", "stop", "logs", "rebuild", "doctor", "serve", "link"):
        assert f"  {verb} " in text
    assert engine()[0] == 2
