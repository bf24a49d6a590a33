"""Two slots and a class (F11): never more runs than slots, everybody sees a place, nobody gets a second one before the last a first."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from engine.core.locks import RunLock
from engine.runs.folder import RunFolder
from engine.scheduler.supervisor import Supervisor
from engine.server.service import Service
from pages.parts.words import standing
from tests.pages.test_pages import opened

PERSONS = [f"guest-{n:04x}" for n in range(30)]
SLOTS = 2


class Desk:
    """An executor whose workers are entries of a list: a run goes on until the test ends it."""

    ready = True

    def __init__(self) -> None:
        self.working: dict[str, tuple[RunFolder, RunLock]] = {}
        self.began: list[RunFolder] = []
        self.most = 0

    def start(self) -> None: ...

    def close(self) -> None: ...

    def current(self) -> bool:
        return True

    def submit(self, folder: RunFolder, lock: RunLock, environment: Mapping[str, str]) -> None:
        folder.write_process(os.getpid())
        self.working[folder.run] = (folder, lock)
        self.began.append(folder)
        self.most = max(self.most, len(self.working))

    def status(self, folder: RunFolder) -> str:
        return folder.status()

    def end_of(self, folder: RunFolder) -> int | None:
        return None

    def stop(self, folder: RunFolder, urgency: str) -> None:
        raise AssertionError(f"nobody asked {folder.run} to stop")

    def end_oldest(self) -> None:
        folder, lock = self.working.pop(next(iter(self.working)))
        folder.write_exit("finished", code=0)
        lock.release()


@pytest.fixture
def desk(lab_service: Service) -> Desk:
    """The one executor of the service, with two slots."""
    made = Desk()
    lab_service.supervisor.close()
    lab_service.supervisor = Supervisor(lab_service.data, made, cores=SLOTS, gpus=[])
    return made


def launch(service: Service, who: str) -> str:
    return service.launch("moe", "collapse", {"device": "cpu", "threads": 1}, who=who)


def who_of(folder: RunFolder) -> Any:
    return (folder.spec() or {}).get("who")


def work_through(service: Service, desk: Desk) -> list[dict[str, str]]:
    """Pass after pass until nothing is left -> what the queue said after each."""
    told = []
    service.supervisor.step()
    while desk.working:
        told.append(service.supervisor.queue())
        desk.end_oldest()
        service.supervisor.step()
    return told


def test_thirty_sessions_share_two_slots_and_nobody_gets_a_second_before_the_last_has_a_first(lab_service: Service, desk: Desk) -> None:
    greedy = [launch(lab_service, PERSONS[0]) for _ in range(3)]
    together = threading.Barrier(len(PERSONS) - 1)
    runs: dict[str, str] = {}

    def session(who: str) -> None:
        together.wait()
        runs[who] = launch(lab_service, who)

    sessions = [threading.Thread(target=session, args=(who,)) for who in PERSONS[1:]]
    for one in sessions:
        one.start()
    for one in sessions:
        one.join()
    assert len({*greedy, *runs.values()}) == 32

    lab_service.supervisor.step()
    queue = lab_service.supervisor.queue()
    assert len(queue) == 30
    lab_service.owner.catch_up()
    shown = [standing(run, queue) for run in queue]
    assert [words.partition(";")[0] for words in shown] == ["next in line", *(f"place {n} of 30 in the queue" for n in range(2, 31))]
    for run, words in [*zip(queue, shown, strict=True)][::29]:
        page = opened("run.py", run=run)
        assert words in page.get("progress")[0].proto.text, "the page of each session says its place"

    told = work_through(lab_service, desk)
    assert desk.most == SLOTS
    assert [len(one) for one in told] == [*range(30, 0, -1), 0, 0]
    began = [who_of(folder) for folder in desk.began]
    assert sorted(began[:30]) == PERSONS, "everybody had a first run before anybody had a second"
    assert began[30:] == [PERSONS[0]] * 2
    assert {folder.status() for folder in desk.began} == {"finished"}


def test_one_run_of_a_person_starts_at_the_next_end_beside_twenty_of_another(lab_service: Service, desk: Desk) -> None:
    for _ in range(20):
        launch(lab_service, "guest-aaaa")
    lab_service.supervisor.step()
    assert len(desk.working) == SLOTS
    single = launch(lab_service, "guest-bbbb")
    desk.end_oldest()
    lab_service.supervisor.step()
    assert single in desk.working, "it waited for one end"
    work_through(lab_service, desk)
    assert desk.most == SLOTS
    assert len(desk.began) == 21
