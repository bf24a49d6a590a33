"""Twins start in the same pass or wait together, and hold up nobody for longer than a run takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.core.files import write_json
from engine.runs.folder import RunFolder, new_run, reserve
from engine.scheduler import pairs
from engine.scheduler.supervisor import Supervisor

ENDLESS = {"device": "cpu", "threads": 1}


class Executor:
    """Starts nothing: a run that was submitted lives until the test ends it."""

    ready = True

    def __init__(self) -> None:
        self.living: set[str] = set()

    def status(self, folder: RunFolder) -> str:
        return folder.status() if folder.exit() else "running" if folder.run in self.living else "queued"

    def submit(self, folder: RunFolder, lock: Any, environment: Any) -> None:
        self.living.add(folder.run)
        lock.release()

    def submit_together(self, folders: list[RunFolder], locks: list[Any], environment: Any) -> None:
        for folder, lock in zip(folders, locks, strict=True):
            self.submit(folder, lock, environment)

    def end(self, folder: RunFolder) -> None:
        folder.write_exit("finished", code=0)

    def close(self) -> None: ...


@pytest.fixture
def executor() -> Executor:
    return Executor()


def single(data: Path, who: str = "me", **knobs: Any) -> RunFolder:
    return new_run(data, "fake", {"preset": None, "knobs": {**ENDLESS, **knobs}, "who": who, "twin": None})


def pair(data: Path, who: str = "me", **knobs: Any) -> tuple[RunFolder, RunFolder]:
    one, other = reserve(data, "fake"), reserve(data, "fake")
    for folder, twin in ((one, other), (other, one)):
        new_run(data, "fake", {"preset": None, "knobs": {**ENDLESS, **knobs}, "who": who, "twin": twin.run}, folder)
    return one, other


def supervisor(data: Path, executor: Executor, **machine: Any) -> Supervisor:
    return Supervisor(data, executor, **{"cores": 2, "gpus": [], **machine})  # type: ignore[arg-type]


def test_a_pair_starts_in_one_pass(tmp_path: Path, executor: Executor) -> None:
    both = pair(tmp_path)
    supervisor(tmp_path, executor).step()
    assert executor.living == {folder.run for folder in both}


def test_where_one_slot_is_free_both_wait_and_say_why(tmp_path: Path, executor: Executor) -> None:
    busy, scheduler = single(tmp_path), supervisor(tmp_path, executor)
    scheduler.step()
    both = pair(tmp_path)
    scheduler.step()
    assert executor.living == {busy.run}
    why = "the pair starts together, and 1 of 2 CPU slots are taken, and it needs 2"
    assert scheduler.queue() == {folder.run: why for folder in both}
    executor.end(busy)
    scheduler.step()
    assert {folder.run for folder in both} <= executor.living


def test_a_waiting_pair_is_not_overtaken_and_the_next_one_starts_after_it(tmp_path: Path, executor: Executor) -> None:
    busy, scheduler = single(tmp_path), supervisor(tmp_path, executor)
    scheduler.step()
    both, later = pair(tmp_path), single(tmp_path)
    scheduler.step()
    assert executor.living == {busy.run}, "a stream of single runs would else keep the pair waiting for ever"
    executor.end(busy)
    scheduler.step()
    assert later.run not in executor.living
    executor.end(both[0])
    scheduler.step()
    assert later.run in executor.living


def test_persons_take_turns_with_pairs_too(tmp_path: Path, executor: Executor) -> None:
    scheduler = supervisor(tmp_path, executor)
    first, second = pair(tmp_path, "anna"), pair(tmp_path, "anna")
    other = single(tmp_path, "ben")
    scheduler.step()
    assert executor.living == {folder.run for folder in first}
    for folder in first:
        executor.end(folder)
    scheduler.step()
    assert other.run in executor.living
    assert not executor.living & {folder.run for folder in second}
    executor.end(other)
    scheduler.step()
    assert {folder.run for folder in second} <= executor.living


def test_a_machine_with_one_slot_runs_one_after_the_other_and_says_so(tmp_path: Path, executor: Executor) -> None:
    scheduler, (one, other) = supervisor(tmp_path, executor, cores=1), pair(tmp_path)
    scheduler.step()
    assert executor.living == {one.run}
    assert "this machine has room for one of the pair at a time" in scheduler.queue()[other.run]
    executor.end(one)
    scheduler.step()
    assert other.run in executor.living


@pytest.mark.parametrize(("gpus", "together"), [(["0", "1"], True), (["0"], False)])
def test_on_gpus_a_pair_takes_two(tmp_path: Path, executor: Executor, gpus: list[str], together: bool) -> None:
    scheduler, both = supervisor(tmp_path, executor, gpus=gpus), pair(tmp_path, device="cuda")
    scheduler.step()
    assert executor.living == ({folder.run for folder in both} if together else {both[0].run})


def test_a_paused_twin_holds_up_nobody(tmp_path: Path, executor: Executor) -> None:
    scheduler, (one, other) = supervisor(tmp_path, executor), pair(tmp_path)
    scheduler.order.pause(other.run)
    scheduler.step()
    assert executor.living == {one.run}


def test_a_run_waits_for_the_declaration_of_its_twin_but_not_for_ever(tmp_path: Path, executor: Executor) -> None:
    one, other = reserve(tmp_path, "fake"), reserve(tmp_path, "fake")
    new_run(tmp_path, "fake", {"preset": None, "knobs": ENDLESS, "who": "me", "twin": other.run}, one)
    scheduler = supervisor(tmp_path, executor)
    scheduler.step()
    assert scheduler.queue() == {one.run: pairs.INCOMPLETE}
    for _ in range(pairs.PATIENCE):
        scheduler.step()
    assert executor.living == {one.run}


def test_a_run_that_goes_on_needs_no_twin(tmp_path: Path, executor: Executor) -> None:
    one, other = pair(tmp_path)
    (one.path / "spool.1.bin").write_bytes(b"")
    busy = single(tmp_path)
    write_json(tmp_path / "queue.json", {"order": [busy.run], "paused": [], "served": []})
    scheduler = supervisor(tmp_path, executor)
    scheduler.step()
    assert executor.living == {busy.run, one.run}
    assert other.run in scheduler.queue()
