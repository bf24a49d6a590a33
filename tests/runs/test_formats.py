"""Formats of spec.json: an older one is read through its migrations, a newer one is unreadable and says so; nothing is written back."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.core import locks
from engine.core.files import read_json, write_json
from engine.index.owner import IndexOwner
from engine.runs import formats
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, new_run
from engine.scheduler import control
from engine.scheduler.control import Refused
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from engine.worker import main as worker
from tests.support.made_runs import finished_run
from tests.support.toy import Answer, refused

SPEC = {"preset": None, "knobs": {"seed": 1, "steps": 3}, "who": "test", "parent": None, "twin": None, "sweep": None}
NEWER = "made by a newer Faultline (format 3; this one reads up to 1)"


def of_format(folder: RunFolder, number: object) -> RunFolder:
    """The same run with another format number, or with none."""
    spec = json.loads((folder.path / "spec.json").read_text())
    write_json(folder.path / "spec.json", {k: v for k, v in spec.items() if k != "format"} | ({} if number is None else {"format": number}))
    return folder


def test_a_new_run_says_its_format(tmp_path: Path) -> None:
    assert read_json(new_run(tmp_path, "toy", SPEC).path / "spec.json")["format"] == formats.FORMAT  # type: ignore[index]


def test_every_older_format_has_one_migration_and_todays_has_none() -> None:
    files = {path.stem for path in Path(formats.migrations.__path__[0]).glob("*.py")} - {"__init__"}
    assert files == {f"spec_{number}" for number in range(formats.FORMAT)}


def test_a_declaration_without_a_format_is_read_as_todays_and_stays_as_it_was_written(tmp_path: Path) -> None:
    folder = of_format(new_run(tmp_path, "toy", SPEC), None)
    written = (folder.path / "spec.json").read_bytes()
    assert folder.spec() == {**json.loads(written), "format": formats.FORMAT, "edition": 1}
    assert folder.status() == "queued"
    assert (folder.path / "spec.json").read_bytes() == written


def test_a_migration_leaves_what_it_was_given_alone() -> None:
    old = {"lab": "toy", "knobs": {"router": {"is": "x"}}}
    before = copy.deepcopy(old)
    assert formats.migrated(old) != old
    assert old == before


@pytest.mark.parametrize("number", [3, 10**9, "1", True, -1, None, 1.0])
def test_only_numbers_that_this_faultline_knows_are_read(tmp_path: Path, number: object) -> None:
    folder = of_format(new_run(tmp_path, "toy", SPEC), number)
    if number is None:
        write_json(folder.path / "spec.json", {**json.loads((folder.path / "spec.json").read_text()), "format": None})
    assert folder.status() == "unreadable"
    assert folder.unreadable().count("format") == 1
    assert (folder.spec() or {})["knobs"] == {}, "nothing of it is guessed"


def test_the_command_line_shows_a_newer_run_and_takes_no_order_for_it_but_delete(engine: Callable[..., Answer], toy_data: Path) -> None:
    assert engine("run", "toy", "--preset", "short", "--json")[0] == 0
    done = engine("runs", "--json")[1]["runs"][0]["run"]
    folder = of_format(RunFolder(toy_data / "runs" / done), 3)
    os.utime(folder.path)
    code, shown, _ = engine("show", done, "--json")
    assert (code, shown["status"], shown["says"], shown["lab"], shown["knobs"]) == (3, "unreadable", NEWER, "toy", {})
    assert NEWER in engine("show", done)[1]
    listed = engine("runs", "--status", "unreadable", "--json")[1]["runs"]
    assert [(row["run"], row["lab"]) for row in listed] == [(done, "toy")]
    before = {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir()}
    for order in ("stop", "hold", "resume"):
        refused(engine(order, done, "--json"), 2, NEWER)
    assert {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir()} == before
    assert engine("delete", done, "--json")[1]["runs"] == [{"run": done, "status": "deleted"}]
    assert not folder.path.exists()


def test_queue_and_supervisor_leave_a_newer_run_alone_even_while_it_lives(data: Path) -> None:
    assert "unreadable" in ENDED
    folder = of_format(new_run(data, "toy", SPEC), 3)
    alive = locks.take(folder.path / "claim")
    assert alive is not None
    killed: list[str] = []

    class Watched(Local):
        def stop(self, folder: RunFolder, urgency: str) -> None:  # type: ignore[override]
            killed.append(urgency)

    supervisor = Supervisor(data, Watched(), cores=1, kill_after=0.0)
    for _ in range(3):
        supervisor.step()
    assert not killed
    assert not supervisor.queue()
    assert not supervisor.launch(folder)
    supervisor.close()
    alive.release()
    with pytest.raises(Refused, match="can only be deleted"):
        control.stop(folder, Local())
    assert worker.main([str(folder.path)]) == 2
    assert not (folder.path / "exit.json").exists()


@pytest.mark.parametrize("memory", [False, True])
def test_the_index_lists_a_newer_run_reads_nothing_of_it_and_reads_it_whole_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: bool
) -> None:
    made = finished_run(tmp_path, steps=5)
    of_format(made.folder, 3)
    untouched = sorted(path.name for path in made.folder.path.iterdir())
    owner = IndexOwner(tmp_path, memory=memory)
    owner.catch_up()
    assert [(row["run"], row["status"], row["lab"], row["steps"]) for row in owner.store.runs()] == [(made.run, "unreadable", "moe", 0)]
    assert owner.store.state(made.run)["problem"] == NEWER
    assert owner.store.show(made.run)["metrics"] == {}
    assert not owner.step(), "there is nothing left to do"
    owner.stop()
    assert sorted(path.name for path in made.folder.path.iterdir()) == untouched
    monkeypatch.setattr(formats, "FORMAT", 3)  # the Faultline that made it
    os.utime(made.folder.path)
    clear_memory()
    newer = IndexOwner(tmp_path, memory=memory)
    newer.catch_up()
    shown = newer.store.show(made.run)
    assert (shown["status"], shown["knobs"]["steps"], shown["metrics"]["loss/train"]["points"]) == ("finished", 120, 5)
    newer.stop()
    clear_memory()


def clear_memory() -> None:
    """Another process has not yet looked at any declaration."""
    from engine.runs.folder import _unreadable

    _unreadable.cache_clear()


def test_a_newer_run_that_is_deleted_leaves_the_index(tmp_path: Path) -> None:
    made = finished_run(tmp_path, steps=5)
    of_format(made.folder, 3)
    owner = IndexOwner(tmp_path)
    owner.catch_up()
    shutil.rmtree(made.folder.path)
    owner.catch_up()
    assert owner.store.runs() == []
    owner.stop()
