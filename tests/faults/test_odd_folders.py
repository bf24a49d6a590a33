"""One bad folder stops nobody: beside folders with anything in them, a healthy run starts, ends and is whole, and every verb answers."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.core.files import regular
from engine.core.locks import RunLock
from engine.index.owner import IndexOwner
from engine.runs.ending import STATUSES
from engine.runs.folder import RunFolder, all_runs
from engine.scheduler.control import delete
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from tests.faults.test_kill_worker import WORKER, queue, until
from tests.support.made_runs import finished_run

FILES = ("spec.json", "state.json", "exit.json", "proc.json", "provenance.json", "spool.1.bin", "out.log", "claim", "STOP", "HOLD")
TEXTS: dict[str, str] = {
    "empty": "",
    "half": '{"lab": "fake", "kno',
    "list": "[]",
    "null": "null",
    "deep": "[" * 100_000 + "]" * 100_000,
    "deep object": '{"knobs":' * 50_000 + "1" + "}" * 50_000,
    "surrogate": '{"lab": "fake", "status": "\\ud800", "knobs": {"a": "\\udfff"}}',
    "large": '{"lab": "' + "a" * 400_000 + '"}',
}
SPECS: dict[str, dict[str, Any]] = {
    "many threads": {"knobs": {"threads": "many"}},
    "threads in a list": {"knobs": {"threads": [1]}},
    "less than no threads": {"knobs": {"threads": -1}},
    "knobs as a list": {"knobs": [1, 2]},
    "no knobs": {"knobs": None},
    "question without an answer": {"knobs": {"router": {"k": 1}}},
    "nested question": {"knobs": {"router": {"is": {"is": {"is": "hash"}}}}},
    "lab with a path": {"lab": "../../etc/passwd"},
    "lab as a number": {"lab": 7},
    "created as text": {"created": "yesterday"},
    "created for ever": {"created": 1e300},
    "twin as a list": {"twin": ["a"]},
    "a long name": {"who": "x" * 100_000},
    "format as text": {"format": "1"},
    "steps beyond counting": {"knobs": {"steps": 10**30}},
    "device as a list": {"knobs": {"device": ["cuda"]}},
}
OTHERS = {
    "exit.json": ({"status": 3}, {"status": "unheard of"}, {"status": "failed", "says": ["a"]}, {"says": "gone"}),
    "proc.json": ({"pid": "1"}, {"pid": -1, "created": 0}, {"pid": 10**40, "created": 1.0}, {"pid": 1, "created": "now"}, {"x": 1}),
    "state.json": ({"step": "three"}, {"step": [1]}, {"steps": 10**40, "step": -(10**40)}, {"phase": {"a": 1}}),
}


def odd(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every way to spoil a run's folder: its name, and what does it."""
    spec = json.loads((folder / "spec.json").read_text())
    for file in FILES:
        path = folder / file
        for name, text in TEXTS.items():
            yield f"{file} {name}", lambda path=path, text=text: path.write_text(text)
        yield f"{file} a directory", lambda path=path: (path.unlink(missing_ok=True), path.mkdir())
        yield f"{file} a FIFO", lambda path=path: (path.unlink(missing_ok=True), os.mkfifo(path))
        yield f"{file} a link", lambda path=path: (path.unlink(missing_ok=True), path.symlink_to("/etc/passwd"))
        yield f"{file} a link to itself", lambda path=path: (path.unlink(missing_ok=True), path.symlink_to(path))
        yield f"{file} a flipped bit", lambda path=path: flip(path)
    yield "the folder a link", lambda: behind_a_link(folder)
    yield "the folder a link to itself", lambda: (shutil.rmtree(folder), folder.symlink_to(folder))
    for name, change in SPECS.items():
        yield name, lambda change=change: (folder / "spec.json").write_text(json.dumps(spec | change))
    for file, contents in OTHERS.items():
        for content in contents:
            yield f"{file} {str(content)[:40]}", lambda file=file, content=content: (folder / file).write_text(json.dumps(content))


def behind_a_link(folder: Path) -> None:
    elsewhere = folder.parent.parent / f"moved-{folder.name}"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


def flip(path: Path) -> None:
    content, draw = bytearray(path.read_bytes() if path.exists() else b"nothing"), random.Random(path.name)
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


class OnlyFake(Local):
    """Starts the lab of the tests; a worker of any other lab has, as it were, failed at once."""

    def submit(self, folder: RunFolder, lock: RunLock, environment: Mapping[str, str]) -> None:
        if (folder.spec() or {}).get("lab") == "fake":
            super().submit(folder, lock, environment)
            return
        with open(folder.path / "out.log", "ab", opener=regular):
            folder.write_exit("failed", message="It was not meant to run.")
        lock.release()


@pytest.fixture
def crowd(tmp_path: Path) -> dict[str, str]:
    """Run -> how it was spoilt: copies of an ended run, and copies that still wait in the queue."""
    made = finished_run(tmp_path, steps=30)
    (made.folder.path / "proc.json").write_text(json.dumps({"pid": 2**30, "created": 1.0}))  # a worker that has left
    spoilt: dict[str, str] = {}
    count = 0
    for queued in (False, True):
        for index in range(len(list(odd(made.folder.path)))):
            count += 1
            copy = made.folder.path.with_name(f"{made.run[:-4]}{count:04x}")
            shutil.copytree(made.folder.path, copy)
            if queued:
                for file in ("exit.json", "proc.json", "state.json"):
                    (copy / file).unlink(missing_ok=True)
            name, spoil = list(odd(copy))[index]
            spoil()
            spoilt[copy.name] = f"{name}, {'queued' if queued else 'ended'}"
    return spoilt


def test_a_healthy_run_beside_every_odd_folder(tmp_path: Path, crowd: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    healthy = queue(tmp_path, behave="finish", steps=40)
    supervisor, owner = Supervisor(tmp_path, OnlyFake(WORKER), cores=2, gpus=[]), IndexOwner(tmp_path)
    try:
        began = time.process_time()
        until(lambda: healthy.status() == "finished", supervisor.step, seconds=300)
        owner.catch_up()
        assert time.process_time() - began < 60, "CPU-seconds for a few hundred folders"
        assert owner.store.frame(healthy.run, ["loss/train"])["step"].to_list() == list(range(40))
        listed = {row["run"]: row for row in owner.store.runs()}
        assert listed[healthy.run]["status"] == "finished"
        assert {folder.run for folder in all_runs(tmp_path)} >= {
            run for run, how in crowd.items() if "spec.json" not in how or "link" in how
        }
        for folder in all_runs(tmp_path):
            how = crowd.get(folder.run, "healthy")
            assert folder.status() in STATUSES, how
            folder.log(20)
            assert folder.run in listed, how
            shown = owner.store.show(folder.run)
            json.dumps(shown, allow_nan=False).encode()
            if shown["status"] == "unreadable":
                assert shown["says"], how
                assert "\n" not in shown["says"], how
        for folder in all_runs(tmp_path):
            if folder.run in crowd:
                delete(folder)
        assert healthy.run in {folder.run for folder in all_runs(tmp_path)}
        assert not set(crowd) & {folder.run for folder in all_runs(tmp_path)}, "each can be deleted"
        assert {(tmp_path / f"moved-{run}").is_dir() for run, how in crowd.items() if "the folder a link, " in how} == {True}
    finally:
        owner.stop()
        supervisor.close()
    assert not [record for record in caplog.records if record.exc_info], "no traceback reaches the console"


def test_a_run_that_cannot_be_started_is_failed_and_lets_go(tmp_path: Path) -> None:
    run, next_one = queue(tmp_path, behave="finish", steps=3), queue(tmp_path, behave="finish", steps=3)
    (run.path / "out.log").mkdir()
    supervisor = Supervisor(tmp_path, Local(WORKER), cores=1, gpus=[])
    until(lambda: next_one.status() == "finished", supervisor.step)
    supervisor.close()
    assert run.status() == "failed"
    assert "could not be started" in (run.exit() or {})["says"]
    assert RunFolder(run.path).exit() is not None
