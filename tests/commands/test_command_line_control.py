"""Runs under control of the command line: interrupted, killed, detached, stopped, beside a server; and what it never imports."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.core.paths import ROOT
from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder, all_runs
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from tests.support.toy import PATIENCE, WORKER, Answer, refused, until


def test_a_killed_run_is_three(engine: Callable[..., Answer], toy_data: Path) -> None:
    def kill() -> None:
        until(lambda: any(r.log() for r in all_runs(toy_data)))
        os.kill(all_runs(toy_data)[0].process().pid, signal.SIGKILL)

    threading.Thread(target=kill).start()
    code, told, _ = engine("run", "toy", "steps=1000000", "pace=0.01", "--json")
    assert (code, told["status"]) == (3, "killed")


def test_control_c_stops_gracefully_and_is_six(engine: Callable[..., Answer], toy_data: Path) -> None:
    def interrupt() -> None:
        until(lambda: any(r.log() for r in all_runs(toy_data)))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    code, told, _ = engine("run", "toy", "steps=1000000", "pace=0.01", "behave=stoppable", "--json")
    assert (code, told["status"]) == (6, "stopped")


def test_a_second_control_c_ends_a_worker_that_still_imports(
    engine: Callable[..., Answer], toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = [sys.executable, "-c", "import signal; signal.pause()"]
    monkeypatch.setattr("engine.scheduler.supervisor.Local", lambda: Local(importing))

    def interrupt_twice() -> None:
        until(lambda: any(r.process() for r in all_runs(toy_data)))
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            until((all_runs(toy_data)[0].path / "STOP").exists)

    threading.Thread(target=interrupt_twice).start()
    code, _, err = engine("run", "toy")
    assert (code, err.splitlines()[-1]) == (6, "Interrupted.")
    assert all_runs(toy_data)[0].status() == "stopped"


def test_detach_leaves_a_run_that_goes_on_and_stop_ends_it(engine: Callable[..., Answer], toy_data: Path) -> None:
    code, told, _ = engine("run", "toy", "behave=stoppable", "steps=1000000", "pace=0.01", "--detach", "--json")
    assert (code, told["status"]) == (0, "running")
    folder = RunFolder(toy_data / "runs" / told["run"])
    until(folder.log)
    assert folder.status() == "running"
    code, stopped, _ = engine("stop", told["run"], "--json")
    assert (code, stopped) == (0, {"runs": [{"run": told["run"], "status": "stopped"}]})
    assert engine("stop", told["run"], "--json")[1]["runs"][0]["status"] == "stopped", "again does no harm"
    assert engine("show", told["run"], "--json")[1]["metrics"]["loss/train"]["points"] > 0


def test_beside_a_server_the_declaration_is_written_and_the_server_runs_it(engine: Callable[..., Answer], toy_data: Path) -> None:
    owner, supervisor = IndexOwner(toy_data), Supervisor(toy_data, Local(WORKER), cores=1, gpus=[])
    owner.start()
    supervisor.start()
    until(supervisor.acquire_duty)
    code, told, _ = engine("run", "toy", "--json")
    assert (code, told["status"], told["metrics"]["loss/train"]["points"]) == (0, "finished", 20)
    until(lambda: owner.store.show(told["run"])["status"] == "finished")
    assert owner.store.show(told["run"]) == told, "the reader and the owner say the same"
    refused(engine("rebuild", "--json"), 3, "owns")
    blocking = engine("run", "toy", "behave=stoppable", "steps=1000000", "pace=0.01", "--detach", "--json")[1]
    queued = engine("run", "toy", "--detach", "--json")[1]
    assert queued["status"] == "queued"
    assert engine("stop", queued["run"], "--json")[1]["runs"][0]["status"] == "stopped"
    assert engine("stop", blocking["run"], "--json")[1]["runs"][0]["status"] == "stopped"
    supervisor.close()
    owner.stop()


def test_a_waiting_command_takes_over_when_the_server_leaves(engine: Callable[..., Answer], toy_data: Path) -> None:
    owner, supervisor = IndexOwner(toy_data), Supervisor(toy_data, Local(["/bin/sleep"]), cores=0, gpus=[])
    assert supervisor.acquire_duty()  # a server on duty that starts nothing, and then leaves

    def leave() -> None:
        until(lambda: all_runs(toy_data))
        supervisor.close()
        owner.stop()

    threading.Thread(target=leave).start()
    code, told, _ = engine("run", "toy", "--json")
    assert (code, told["status"], told["steps"]) == (0, "finished", 20)


def test_serve_runs_the_queue_until_it_is_told_to_end(toy_data: Path) -> None:
    environment = {**os.environ, "FAULTLINE_DATA": str(toy_data)}
    command = [sys.executable, "-m", "engine", "serve", "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        told = json.loads(server.stdout.readline())
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) == 0
        assert server.stderr.read() == ""
    assert told == {"data": str(toy_data), "role": "owner"}


def test_serve_ends_by_a_signal_that_came_just_before_it_waited(
    engine: Callable[..., Answer], toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python runs the handler of such a signal only after the wait, which must therefore have an end."""

    class Late(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None, "for ever"
            known = self.is_set()
            self.set()  # what the handler does, once somebody lets it
            return known

    monkeypatch.setattr("engine.commands.serve.asked_to_leave", lambda: contextlib.nullcontext(Late()))
    code, told, _ = engine("serve", "--json")
    assert (code, told["data"]) == (0, str(toy_data))


def test_no_verb_imports_torch_into_the_command_line(tmp_path: Path) -> None:
    code = (
        "import sys; from engine.commands import labs; labs.labs_document = lambda *a, **k: {'labs': [], 'errors': [], 'probes': []}\n"
        "from engine.__main__ import main\n"
        "for line in ('labs', 'runs', 'doctor', 'show x', 'run x', 'stop x', 'logs x', 'metrics x --out a.csv', 'rebuild'):\n"
        "    main([*line.split(), '--json'])\n"
        "sys.stderr.write(str(sorted({'torch', 'lightning', 'streamlit'} & set(sys.modules))))"
    )
    environment = {**os.environ, "FAULTLINE_DATA": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert said.returncode == 0
    assert said.stderr.endswith("[]")


def test_a_real_run_of_the_first_lab(tmp_path: Path) -> None:
    environment = {**os.environ, "FAULTLINE_DATA": str(tmp_path)}
    command = [sys.executable, "-m", "engine", "run", "moe", "--preset", "collapse", "steps=2", "device=cpu", "--json"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert (told["status"], told["steps"], told["knobs"]["device"]) == ("finished", 2, "cpu")
    assert told["metrics"]["loss/train"]["points"] == 2
    assert told["provenance"]["python"]
