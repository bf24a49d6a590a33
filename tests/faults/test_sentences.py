"""Every fault ends in one plain sentence where a person looks, and nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.index.owner import IndexOwner
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.runs.spool_reader import SpoolReader
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from engine.server.service import Service
from tests.faults.test_kill_worker import acknowledged, assert_exactly_once, kill, queue, serve, until
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import collapse
from tests.support.made_runs import MadeRun, finished_run
from tests.support.toy import WORKER

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for folder in (RunFolder(p) for p in (tmp_path / "runs").glob("*")):
        process = folder.process()
        if process is not None and process.pid != os.getpid() and process.alive():
            os.kill(process.pid, signal.SIGKILL)


def limited(limit: str, command: list[str] = WORKER) -> Local:
    """Workers under a limit of the shell's `ulimit`."""
    return Local(["bash", "-c", f'ulimit {limit}; exec {shlex.join(command)} "$0"'])


def sentences(run: str) -> str:
    return said(opened("run.py", run=run))


def worked(lab_service: Service, executor: Local, run: RunFolder) -> None:
    """Start what waits and let it come to its end."""
    supervisor = Supervisor(lab_service.data, executor, cores=1, gpus=[])
    until(lambda: run.status() in ENDED, supervisor.step)
    supervisor.close()
    lab_service.owner.catch_up()


def test_a_full_disk_costs_log_calls_that_are_counted_and_nothing_of_the_training(lab_service: Service) -> None:
    run = queue(lab_service.data, behave="finish", steps=3000)
    worked(lab_service, limited("-f 40"), run)  # blocks of 1024 bytes
    told = acknowledged(lab_service.data)
    assert run.status() == "finished"
    assert 0 < len(told) < 3000
    assert lab_service.owner.store.frame(run.run, ["loss/train"])["step"].to_list() == told
    dropped = 3000 - len(told)
    assert lab_service.owner.store.state(run.run)["dropped"] == dropped
    assert f"The disk refused what was measured in {dropped:,} log calls; the training itself lost nothing." in sentences(run.run)


def test_a_torn_tail_is_told_and_everything_before_it_is_there(lab_service: Service) -> None:
    made = finished_run(lab_service.data, steps=30)
    with open(made.folder.path / "spool.1.bin", "ab") as file:
        file.write(b"\x05\x00\x00\x00\x90")
    lab_service.owner.catch_up()
    assert lab_service.owner.store.frame(made.run, ["loss/train"]).height == 30
    assert "ends in a torn frame of 5 bytes" in sentences(made.run)


def test_damage_in_the_middle_is_counted_and_everything_around_it_is_there(lab_service: Service, tmp_path: Path) -> None:
    made = finished_run(tmp_path / "aside", steps=100)  # where no owner reads it before it is damaged
    path = made.folder.path / "spool.1.bin"
    reader = SpoolReader(path)
    start = next(reader.offset for frame in reader.read() if frame.step == 50)  # where the call after the first one of step 50 begins
    whole = bytearray(path.read_bytes())
    whole[start : start + 512] = bytes(512)
    path.write_bytes(whole)
    made.folder.path.rename(lab_service.data / "runs" / made.run)
    lab_service.owner.catch_up()
    steps = lab_service.owner.store.frame(made.run, ["loss/train"])["step"].to_list()
    assert len(steps) == len(set(steps))
    assert steps[0] == 0
    assert steps[-1] == 99
    assert 94 <= len(steps) < 100
    assert {*range(100)} - {*steps} <= {*range(50, 57)}
    places, lost = lab_service.owner.store.damage(made.run)
    assert 1 <= places <= 2, "what is whole inside the first call that was hit may be read between"
    assert 512 <= lost <= 2048
    assert f"{lost:,} bytes of what was measured are damaged" in sentences(made.run)
    again = lab_service.owner.rebuild()
    assert any("are damaged and were skipped" in problem for problem in again["problems"])
    assert lab_service.owner.store.frame(made.run, ["loss/train"])["step"].to_list() == steps


def test_a_damaged_index_is_moved_aside_made_again_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    owner = IndexOwner(tmp_path)
    made = finished_run(tmp_path, steps=30)
    owner.catch_up()
    owner.stop()
    file = tmp_path / "faultline.duckdb"
    file.write_bytes(b"\0" * file.stat().st_size)
    lab_service: Service = request.getfixturevalue("lab_service")
    lab_service.owner.catch_up()
    assert lab_service.owner.store.frame(made.run, ["loss/train"]).height == 30
    assert list(tmp_path.glob("faultline.duckdb.damaged-*"))
    for page in ("", "runs.py"):
        assert "it was moved aside as faultline.duckdb.damaged-" in said(opened(page))


def test_the_second_server_on_a_folder_says_that_it_reads_and_launches_for_the_first(
    data: Path, request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = serve(data)
    second: Service = request.getfixturevalue("lab_service")
    assert second.data == data
    assert f"Another process ({first.pid}) keeps this data folder" in said(opened())
    run = queue(data, behave="finish", steps=50)
    until(lambda: run.status() == "finished")
    assert not second.supervisor.acquire_duty()
    assert second.store.frame(run.run, ["loss/train"]).height == 50
    kill(first)
    until(second.owner.promote)
    assert "keeps this data folder" not in said(opened()), "it has taken the place of the first"
    assert second.owner.rebuild()["points"] == 3 * 50


def test_a_clock_that_goes_back_loses_nothing_and_nobody(lab_service: Service) -> None:
    made = MadeRun(lab_service.data, began=4e9).declare()  # in the far future
    for step in range(20):
        assert made.spool.log(step, {("loss/train", ""): 1.0}, t=4e9 - 60 * step)
    made.end("killed", message="")
    finished_run(lab_service.data, steps=5)
    lab_service.owner.catch_up()
    frame = lab_service.owner.store.frame(made.run, ["loss/train"])
    assert frame["step"].to_list() == list(range(20))
    assert frame["t"].is_sorted(descending=True)
    for page, query in (("", {}), ("runs.py", {}), ("run.py", {"run": made.run}), ("machine.py", {})):
        text = said(opened(page, **query))
        assert not re.search(r"-\d+ (s|min|h|days)\b", text), f"no negative duration on {page or 'home'}"
    assert lab_service.store.runs()[-1]["run"] == made.run


def test_the_clock_does_not_decide_who_is_alive(data: Path) -> None:
    run = queue(data)
    supervisor = Supervisor(data, Local(WORKER), cores=1, gpus=[])
    until(lambda: len(acknowledged(data)) > 3, supervisor.step)
    process = run.process()
    shifted = process._replace(created=process.created - 7200)  # what psutil says after the clock was set
    assert shifted.alive()
    assert not process._replace(ticks=process.ticks + 1).alive(), "another process of the same number"
    assert not process._replace(boot="before the machine was started again").alive()
    supervisor.close()


def test_a_worker_that_hangs_is_pressed_and_every_stage_is_told(lab_service: Service) -> None:
    run = queue(lab_service.data, behave="deaf", pace=0.005)
    supervisor = lab_service.supervisor
    supervisor.executor, supervisor.cores = Local(WORKER), 1
    supervisor.pressing.terminate_after, supervisor.pressing.kill_after = 3600.0, 7200.0
    until(lambda: len(acknowledged(lab_service.data)) > 3, supervisor.step)
    lab_service.stop_run(run.run)
    assert "Asked to stop; it saves and ends." in sentences(run.run)
    supervisor.pressing.terminate_after = 0.0
    supervisor.step()
    assert "was sent SIGTERM" in sentences(run.run)
    assert run.status() == "running", "it ignores that too"
    supervisor.pressing.kill_after = 0.0
    assert "is being killed (SIGKILL)" in sentences(run.run)
    until(lambda: run.status() in ENDED, supervisor.step)
    assert "It did not answer to stop and was killed by signal SIGKILL." in sentences(run.run)
    lab_service.owner.catch_up()
    assert_exactly_once(lab_service.owner, run, acknowledged(lab_service.data))


def test_a_worker_that_the_kernel_killed_says_what_likely_happened(lab_service: Service) -> None:
    run = queue(lab_service.data, pace=0.001)
    supervisor = Supervisor(lab_service.data, Local(WORKER), cores=1, gpus=[])
    until(lambda: len(acknowledged(lab_service.data)) > 100, supervisor.step)
    os.kill(run.process().pid, signal.SIGKILL)
    until(lambda: run.exit() is not None, supervisor.step)
    supervisor.close()
    lab_service.owner.catch_up()
    assert "if nobody sent it, the machine ran out of memory" in sentences(run.run)
    assert_exactly_once(lab_service.owner, run, acknowledged(lab_service.data))


def test_a_training_that_asks_for_more_memory_than_there_is_says_so(lab_service: Service) -> None:
    huge = {"experts": 256, "d_model": 4096, "expert_width": 8192, "steps": 3}
    run = RunFolder(lab_service.data / "runs" / collapse(lab_service.data, **huge))
    worked(lab_service, limited("-v 12000000", [sys.executable, "-m", "engine.worker"]), run)
    assert run.status() == "failed", run.log()
    assert "Memory ran out: the run asked for more than there was. Make the model, the context or the batch smaller." in sentences(run.run)


def test_a_lab_file_with_a_syntax_error_has_its_own_card_and_hides_no_other(tmp_path: Path) -> None:
    """The real catalog of a copy of the project with one broken file beside the real ones."""
    import shutil

    from engine.declare.lab_catalog import labs_document

    root = tmp_path / "project"
    for folder in ("engine", "kernels"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "engine" / "labs" / "moe" / "odd.py").write_text("class Odd(Lab:\n")
    document = labs_document(tmp_path / "data", root=root)
    assert [error["file"] for error in document["errors"]] == ["engine/labs/moe/odd.py"]
    assert "SyntaxError" in document["errors"][0]["says"]
    assert "moe" in [lab["lab"] for lab in document["labs"]]

    def page(error: dict[str, str]) -> None:
        from pages.parts.cards import broken_card

        broken_card(error)

    shown = AppTest.from_function(page, kwargs={"error": document["errors"][0]}, default_timeout=60).run()
    assert "`engine/labs/moe/odd.py` could not be read" in said(shown)
    assert "every other card works" in said(shown)
