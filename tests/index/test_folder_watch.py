"""What happens in the folder is seen, and what is broken in it stops nobody."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.core.files import write_json
from engine.index.owner import IndexOwner
from engine.runs.event import Event
from engine.runs.folder import RunFolder
from tests.support.indexed_runs import Owners, begin, log, points_in, points_of, spool_of


def test_a_run_made_by_anybody_is_seen_within_one_pass_and_a_deleted_one_is_gone(owner: IndexOwner) -> None:
    owner.step()
    folder = begin(owner.data, living=False)
    owner.step()
    assert [row["status"] for row in owner.store.runs()] == ["queued"]
    half = owner.runs / "20250101-120000-moe-abcd"
    half.mkdir()
    owner.step()
    assert len(owner.store.runs()) == 1, "a folder without a declaration is no run yet"
    write_json(half / "spec.json", {"run": half.name, "lab": "moe", "knobs": {}, "created": 1.0})
    owner.step()
    assert len(owner.store.runs()) == 2
    log(spool_of(folder), range(5))
    owner.step()
    for path in folder.path.iterdir():
        path.unlink()
    folder.path.rmdir()
    owner.step()
    assert [row["run"] for row in owner.store.runs()] == [half.name]
    with pytest.raises(KeyError):
        owner.store.show(folder.run)
    assert owner._indexer.connection.cursor().execute("SELECT count(*) FROM store.metric_point").fetchall() == [(0,)]


def test_a_question_about_a_run_that_no_pass_has_seen_yet_is_answered(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    log(spool_of(folder), range(5))
    assert owner.store.show(folder.run)["metrics"]["loss/train"]["points"] == 5


def test_a_worker_gone_without_a_word_is_told_lost_unless_somebody_knows_better(owner: IndexOwner) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    one, other = begin(owner.data, living=False), begin(owner.data, living=False)
    for folder in (one, other):
        folder.write_process(child.pid)
        log(spool_of(folder), range(5))
    child.wait()
    stat_calls: list[str] = []

    def reaper(folder: RunFolder) -> bool:
        stat_calls.append(folder.run)
        return folder.run == other.run

    owner.reaper = reaper
    owner.catch_up()
    owner.catch_up()
    assert sorted(set(stat_calls)) == sorted([one.run, other.run])
    assert one.exit()["status"] == "lost"
    assert other.exit() is None
    assert {row["run"]: row["status"] for row in owner.store.runs()}[one.run] == "lost"
    assert points_in(owner.store, one.run) == points_of(one)


def test_a_reader_calls_a_dead_worker_lost_and_writes_nothing(owners: Owners, owner: IndexOwner) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    folder = begin(owner.data, living=False)
    folder.write_process(child.pid)
    child.wait()
    reader = owners()
    assert reader.store.show(folder.run)["status"] == "lost"
    assert folder.exit() is None


def test_while_nothing_happens_a_pass_touches_no_ended_run(owner: IndexOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        begin(owner.data, living=False).write_exit("stopped")
    living = begin(owner.data)
    log(spool_of(living), range(3))
    owner.catch_up()
    os.utime(owner.runs, (0, 0))
    os.utime(living.path, (0, 0))
    owner.step()
    touched: list[str] = []
    real = {name: getattr(os, name) for name in ("stat", "listdir", "scandir")}
    for name, function in real.items():
        monkeypatch.setattr(os, name, lambda path, *a, _f=function, **k: (touched.append(str(path)), _f(path, *a, **k))[1])
    owner.step()
    monkeypatch.undo()
    assert len(touched) <= 4
    assert all(path == str(owner.runs) or living.run in path for path in touched)


def test_nonsense_in_a_run_folder_is_not_fatal_for_the_others(owner: IndexOwner) -> None:
    good = begin(owner.data)
    log(spool_of(good), range(5))
    for i, spec in enumerate(
        ('{"knobs": 3}', '{"knobs": {"router": {"k": 1}}, "lab": 7, "created": "x"}', "[]", '{"knobs": {"steps": 1e400}}')
    ):
        bad = owner.runs / f"20250101-12000{i}-moe-abcd"
        bad.mkdir()
        (bad / "spec.json").write_text(spec)
        (bad / "state.json").write_text('{"step": "many", "dropped": 1e30}')
        (bad / "exit.json").write_text('{"status": "splendid"}')
        (bad / "proc.json").write_text("{}")
        (bad / "spool.1.bin").mkdir()
        (bad / "spool.2.bin").write_bytes(b"FLSPOOL1" + bytes(1000))
    (owner.runs / "notes.txt").write_text("a stranger")
    (owner.runs / "20250101-120009-moe-abcd").write_text("a file, not a folder")
    owner.catch_up()
    assert points_in(owner.store, good.run) == points_of(good)
    for row in owner.store.runs():
        owner.store.show(row["run"])


def test_a_frame_that_no_table_can_hold_is_a_problem_of_its_run(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    spool = spool_of(folder)
    spool.log(0, {("half \ud800 pair", ""): 1.0}, events=[Event(0, "spike", message="\udcff and a nul \x00")])
    spool.log(2**62, {("loss/train", ""): 1.0}, events=[Event(2**70, "spike")])
    owner.catch_up()
    folder.write_exit("finished")
    owner.catch_up()
    assert owner.store.events(folder.run)[0]["says"].startswith("? and")
    assert "makes no sense" in owner.store.state(folder.run)["problem"]
