"""Hold, resume, delete: from the command line, against living workers, and with the truth in the index afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from engine.core import locks
from engine.index.owner import IndexOwner
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.scheduler.control import Refused, delete, hold, remove_leftovers, resume
from engine.worker.fit import train
from tests.support.tiny_lab import Tiny, new_folder
from tests.support.toy import Answer, refused, until


def begun(engine: Callable[..., Answer], data: Path, *knobs: str) -> RunFolder:
    """A detached worker that has logged something."""
    code, told, _ = engine("run", "toy", *knobs, "--detach", "--json")
    assert code == 0
    folder = RunFolder(data / "runs" / told["run"])
    until(lambda: folder.status() == "running" and list(folder.path.glob("spool.*.bin")))
    return folder


def frame(data: Path, run: str) -> dict[tuple, float]:
    """Every stored point of a run apart from wall-clock metrics, by metric, layer, index and step."""
    owner = IndexOwner(data)
    try:
        owner.catch_up()
        rows = owner.store.frame(run).iter_rows(named=True)
        kept = [r for r in rows if not r["metric"].startswith("time/")]
        out = {(r["metric"], r["layer"], r["index"], r["step"]): r["value"] for r in kept}
        assert len(out) == len(kept), "a point is there twice"
        return out
    finally:
        owner.stop()


def test_a_stopped_and_resumed_run_has_the_stored_curve_of_an_uninterrupted_one(tmp_path: Path) -> None:
    class Stopping(Tiny):
        def after_step(self, model: nn.Module, step: int) -> None:
            super().after_step(model, step)
            if step == 30:
                asked.set()

    asked = threading.Event()
    whole, parted = new_folder(tmp_path), new_folder(tmp_path)
    assert train(Tiny(steps=90, noise=0.1), whole) == "finished"
    assert train(Stopping(steps=90, noise=0.1), parted, asked) == "stopped"
    (parted.path / "STOP").touch()
    parted.write_exit("stopped", code=6)
    frame(tmp_path, parted.run)  # the index has seen the first attempt, sorted
    assert resume(parted) == "queued"
    assert train(Tiny(steps=90, noise=0.1), parted) == "finished"
    parted.write_exit("finished", code=0)
    whole.write_exit("finished", code=0)
    ours, theirs = frame(tmp_path, parted.run), frame(tmp_path, whole.run)
    assert {key: ours.get(key) for key in theirs} == theirs


def test_a_killed_run_without_a_checkpoint_begins_again_at_step_zero(engine: Callable[..., Answer], toy_data: Path) -> None:
    folder = begun(engine, toy_data, "steps=100000", "pace=0.001")
    os.kill(folder.process().pid, signal.SIGKILL)
    until(lambda: engine("runs", "--json")[1]["runs"][0]["status"] in ENDED)
    assert engine("resume", folder.run, "--json")[0] == 0
    until(lambda: folder.status() == "running" and (folder.path / "spool.2.bin").exists())
    assert engine("stop", folder.run, "--json")[1]["runs"] == [{"run": folder.run, "status": "stopped"}]
    assert engine("show", folder.run, "--json")[1]["metrics"]["loss/train"]["max"] == 1.0


def test_hold_and_resume_go_to_the_living_worker(engine: Callable[..., Answer], toy_data: Path) -> None:
    folder = begun(engine, toy_data, "steps=100000", "pace=0.001")
    worker = folder.process()
    assert engine("hold", folder.run, "--json")[1]["runs"][0]["status"] == "held"
    assert engine("runs", "--json")[1]["runs"][0]["status"] == "held"
    assert engine("resume", folder.run, "--json")[1]["runs"][0]["status"] == "running"
    assert folder.process() == worker
    engine("stop", folder.run)


def test_orders_that_make_no_sense_are_refused_in_one_sentence(engine: Callable[..., Answer], toy_data: Path) -> None:
    _, told, _ = engine("run", "toy", "--json")
    refused(engine("resume", told["run"]), 2, "is finished")
    refused(engine("hold", told["run"]), 2, "only a running run can be held")
    refused(engine("hold", "x"), 5, 'No run "x"')
    living = begun(engine, toy_data, "steps=100000", "pace=0.001")
    refused(engine("delete", living.run, "--yes"), 2, "stop it first")
    refused(engine("resume", living.run), 2, "it goes on by itself")
    engine("stop", living.run)


def test_a_deleted_run_is_gone_from_disk_and_index(engine: Callable[..., Answer], toy_data: Path) -> None:
    keep, drop = (engine("run", "toy", "--json")[1]["run"] for _ in range(2))
    assert engine("delete", drop, "--json")[:2] == (0, {"runs": [{"run": drop, "status": "deleted"}]})
    assert [r["run"] for r in engine("runs", "--json")[1]["runs"]] == [keep]
    assert sorted(os.listdir(toy_data / "runs")) == [keep]
    refused(engine("show", drop), 5, "No run")


def test_delete_asks_first(engine: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    run = engine("run", "toy", "--json")[1]["run"]
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, _, err = engine("delete", run)
    assert code == 2
    assert "Nothing was deleted" in err
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert engine("delete", run)[0] == 0


def test_a_run_whose_worker_is_still_leaving_is_deleted_when_it_has_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = new_folder(tmp_path)
    folder.write_exit("finished", code=0)
    leaving = locks.take(folder.path / "claim")
    monkeypatch.setattr("engine.scheduler.control.LEAVING", 0.0)
    with pytest.raises(Refused, match="still leaving"):
        delete(folder)
    assert folder.path.exists()
    monkeypatch.setattr("engine.scheduler.control.LEAVING", 60.0)
    threading.Timer(0.1, leaving.release).start()
    delete(folder)
    assert not folder.path.exists()


def test_a_deletion_that_was_cut_short_is_finished_later(tmp_path: Path) -> None:
    half = tmp_path / "runs" / ".deleted-20260101-000000-tiny-abcd-1"
    half.mkdir(parents=True)
    (half / "spool.1.bin").touch()
    remove_leftovers(tmp_path / "runs")
    assert not half.exists()


def test_a_queued_run_can_be_deleted_but_not_held(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    with pytest.raises(Refused, match="is queued"):
        hold(folder)
    delete(folder)
    assert not folder.path.exists()
