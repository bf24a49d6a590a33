"""What is exported, indexed and answered on a full disk and on one that is read-only: cases of test_full_disk.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.index.owner import IndexOwner
from engine.scheduler import control
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from engine.server.service import Service
from tests.faults.full_disk.training import training
from tests.faults.test_kill_worker import WORKER
from tests.support.full_disk import Disk, way
from tests.support.made_runs import MadeRun, finished_run
from tests.support.toy import Answer, refused

Engine = Callable[..., Answer]
FULL = "The index cannot be written, for the disk is full: runs are read from their own files until it can.\n"
needs_tmpfs = pytest.mark.skipif(way() != "tmpfs", reason="this machine mounts no tmpfs for us")


def ended(data: Path, steps: int = 30) -> MadeRun:
    """A finished run whose worker has left: this process is not to be taken for it."""
    made = finished_run(data, steps=steps)
    (made.folder.path / "proc.json").unlink()
    return made


# -- exporting and indexing ------------------------------------------------------------------------


@needs_tmpfs
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_is_refused_in_one_sentence_and_leaves_nothing(disk: Disk, engine: Engine, form: str) -> None:
    made = ended(disk.path, steps=300)
    assert engine("show", made.run)[0] == 0
    disk.fill()
    out = disk.path / f"points.{form}"
    refused(engine("metrics", made.run, "--out", str(out)), 3, f"{out} could not be written: the disk is full.")
    assert not list(disk.path.glob("*points*"))


@needs_tmpfs
def test_an_index_on_a_full_disk_answers_from_memory_and_goes_on_when_there_is_room(disk: Disk) -> None:
    owner = IndexOwner(disk.path)
    try:
        early = ended(disk.path)
        owner.catch_up()
        late = ended(disk.path)
        disk.fill()
        owner.catch_up()
        assert owner.problem + "\n" == FULL
        for made in (early, late):
            assert owner.store.frame(made.run, ["loss/train"]).height == 30
            assert owner.store.show(made.run)["status"] == "finished"
        disk.free()
        owner._next_try = 0.0
        assert owner.promote()
        owner.catch_up()
        assert (owner.problem, owner.lazy) == ("", False)
        assert [row["run"] for row in owner.store.runs()] == [early.run, late.run]
        assert owner.store.frame(late.run, ["loss/train"]).height == 30
        assert (late.folder.path / "metrics.parquet").exists()
    finally:
        owner.stop()
    assert not list(disk.path.glob("*.damaged*"))


@needs_tmpfs
def test_an_index_that_cannot_be_begun_leaves_no_half_of_a_file(disk: Disk) -> None:
    made = ended(disk.path)
    disk.fill()
    owner = IndexOwner(disk.path)
    assert owner.store.show(made.run)["status"] == "finished"
    owner.stop()
    assert not list(disk.path.glob("faultline.duckdb*"))


# -- every verb ------------------------------------------------------------------------------------


@needs_tmpfs
def test_every_verb_answers_on_a_full_disk(disk: Disk, engine: Engine, supervisor: Supervisor) -> None:
    done, other, stopped = (ended(disk.path) for _ in range(3))
    (stopped.folder.path / "exit.json").write_text('{"status": "stopped", "code": 6, "signal": null, "says": "", "ended": 1.0}')
    (stopped.folder.path / "exit.room").unlink(missing_ok=True)
    living = training(supervisor)
    disk.fill()
    assert len(engine("runs", "--json")[1]["runs"]) == 4
    code, document, told = engine("show", done.run, "--json")
    assert (code, document["status"], told) == (0, "finished", FULL)
    assert engine("logs", done.run)[0] == 0
    assert engine("doctor")[0] == 0
    refused(engine("rebuild"), 3, "the disk is full")
    refused(engine("resume", stopped.run), 3, "the disk is full")
    assert stopped.folder.status() == "stopped"
    assert engine("hold", living.run)[0] in (0, 3)
    assert engine("stop", living.run, "--json")[1]["runs"][0]["status"] == "stopped"
    assert engine("delete", other.run, "--json")[0] == 0, "which makes room"
    assert not other.folder.path.exists()


@needs_tmpfs
def test_a_data_folder_that_is_read_only_is_read(disk: Disk, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = ended(disk.path)
    out = tmp_path_factory.mktemp("elsewhere") / "points.csv"
    assert engine("metrics", made.run, "--out", str(out))[0] == 0
    written = out.read_bytes()
    disk.read_only()
    told = f"{disk.path} cannot be written, for the disk is read-only: its runs can be read, and none can be started.\n"
    for verb in (["runs"], ["show", made.run], ["metrics", made.run, "--out", str(out)]):
        code, _, message = engine(*verb)
        assert (code, message) == (0, told)
    assert out.read_bytes() == written
    assert engine("logs", made.run)[0] == 0
    assert engine("doctor")[0] == 0
    for verb in (["run", "toy"], ["rebuild"], ["delete", made.run, "--json"]):
        refused(engine(*verb), 3, "the disk is read-only")
    lab = Service(disk.path, Local(WORKER))
    with pytest.raises(OSError, match="Read-only"):
        lab.supervisor.step()
    assert lab.store.show(made.run)["status"] == "finished"
    assert lab.owner.problem + "\n" == told
    with pytest.raises(OSError, match="Read-only"):
        control.delete(made.folder)
    disk.read_only(on=False)
    lab.owner._next_try = 0.0
    assert lab.owner.promote()
    assert lab.owner.problem == ""
    lab.supervisor.close()
    lab.owner.stop()
