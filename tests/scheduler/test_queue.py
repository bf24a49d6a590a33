"""The order of the queue and its pauses outlive the server, and the supervisor honours them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.core.locks import is_locked
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, new_run
from engine.scheduler.control import Refused
from engine.scheduler.local import Local
from engine.scheduler.queue import QueueOrder
from engine.scheduler.supervisor import PAUSED, WARMING, Supervisor
from engine.server.service import Service
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import collapse
from tests.support.toy import WORKER, until

ENDLESS = {"behave": "stoppable", "steps": 10**6, "pace": 0.01}


def queue(data: Path, who: str = "me", **knobs: Any) -> RunFolder:
    return new_run(data, "fake", {"preset": None, "knobs": {"threads": 1, "device": "cpu", **knobs}, "who": who, "twin": None})


def names(order: QueueOrder) -> list[str]:
    return [folder.run for folder in order.waiting()]


def test_the_order_is_of_age_until_somebody_changes_it_and_is_kept(data: Path) -> None:
    a, b, c, d = (queue(data).run for _ in range(4))
    order = QueueOrder(data)
    assert names(order) == [a, b, c, d]
    order.move(d, -2)
    assert names(QueueOrder(data)) == [a, d, b, c], "another process sees the same"
    order.move(a, 99)
    assert names(order) == [d, b, c, a]
    late = queue(data).run
    assert names(order) == [d, b, c, a, late]
    order.pause(b)
    assert order.paused() == {b}
    order.pause(b, on=False)
    assert order.paused() == frozenset()
    order.move("20250101-120000-moe-abcd", 1)
    assert names(order) == [d, b, c, a, late]


def test_persons_take_turns_whoever_queued_more_and_whoever_is_on_duty(data: Path) -> None:
    many = [queue(data, "ann", **ENDLESS) for _ in range(4)]
    few = [queue(data, "bob", **ENDLESS) for _ in range(2)]
    began: list[RunFolder] = []
    for _ in range(6):  # each time another supervisor, as after a restart
        supervisor = Supervisor(data, Local(WORKER), cores=1, gpus=[])
        supervisor.step()
        began += [one for one in (*many, *few) if one.status() == "running"]
        if len(began) == 2:
            few.append(queue(data, "cay", **ENDLESS))
        last = began[-1]
        supervisor.stop(last.run)
        until(lambda last=last: last.status() in ENDED)
        supervisor.close()
        until(lambda last=last: not is_locked(last.path / "claim"))
    assert began == [many[0], few[0], few[2], many[1], few[1], many[2]]


def test_a_run_is_moved_among_those_of_its_person(data: Path) -> None:
    (a, c), b, d = [queue(data, "ann").run for _ in range(2)], queue(data, "bob").run, queue(data, "ann").run
    order = QueueOrder(data)
    assert names(order) == [a, b, c, d]
    order.move(d, -1)
    assert names(order) == [a, b, d, c]
    order.move(b, -9)
    assert names(order) == [a, b, d, c], "nobody gets in front of another person's turn"


def pair(data: Path, who: str) -> tuple[str, str]:
    first, second = queue(data, who), queue(data, who)
    for one, other in ((first, second), (second, first)):
        spec = json.loads((one.path / "spec.json").read_text()) | {"twin": other.run}
        (one.path / "spec.json").write_text(json.dumps(spec))
    return first.run, second.run


def test_twins_that_start_together_stand_together_and_are_moved_together(data: Path) -> None:
    pairs = [pair(data, who) for who in ("ann", "bob", "cay")]
    order = QueueOrder(data)
    assert names(order) == [run for both in pairs for run in both], "not the second of each after the first of everybody"
    (broken, cured), alone = pairs[0], queue(data, "ann").run
    assert [run for run in names(order) if run in (broken, cured, alone)] == [broken, cured, alone]
    for moved in (broken, cured):
        order.move(moved, 1)
        assert [run for run in names(order) if run in (broken, cured, alone)] == [alone, broken, cured]
        order.move(moved, -1)
        assert [run for run in names(order) if run in (broken, cured, alone)] == [broken, cured, alone]


def test_a_person_may_have_fifty_runs_waiting_and_the_next_one_is_refused_in_one_sentence(lab_service: Service) -> None:
    guest = "guest-00ff"
    for _ in range(49):
        queue(lab_service.data, guest)
    ended = queue(lab_service.data, guest)
    ended.write_exit("stopped")
    for _ in range(60):
        queue(lab_service.data, "somebody else")
    with pytest.raises(Refused, match="guest-00ff has 49 runs waiting and wants 2 more; 50 are allowed"):
        lab_service.launch_twins("moe", "collapse", who=guest)
    lab_service.launch("moe", "collapse", {"device": "cpu"}, who=guest)
    with pytest.raises(Refused, match="guest-00ff has 50 runs waiting and wants one more"):
        lab_service.launch("moe", "collapse", {"device": "cpu"}, who=guest)
    with pytest.raises(Refused, match="has 50 runs waiting"):
        lab_service.resume_run(ended.run)
    lab_service.launch("moe", "collapse", {"device": "cpu"})
    lab_service.launch("moe", "collapse", {"device": "cpu"}, who="guest-ffff")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"order": 3, "paused": [1, null]}'])
def test_a_damaged_file_costs_the_order_and_nothing_else(data: Path, content: str) -> None:
    runs = [queue(data).run for _ in range(3)]
    (data / "queue.json").write_text(content)
    order = QueueOrder(data)
    assert names(order) == runs
    assert order.paused() == frozenset()
    order.move(runs[2], -2)
    assert json.loads((data / "queue.json").read_text())["order"] == [runs[2], runs[0], runs[1]]


def test_the_supervisor_starts_in_this_order_passes_paused_runs_and_says_what_each_waits_for(data: Path) -> None:
    first, second, third, fourth = (queue(data, **ENDLESS) for _ in range(4))
    order = QueueOrder(data)
    order.move(fourth.run, -3)
    order.pause(first.run)
    supervisor = Supervisor(data, Local(WORKER), cores=1, gpus=[])
    supervisor.step()
    assert [folder.status() for folder in (first, second, third, fourth)] == ["queued", "queued", "queued", "running"]
    full = "1 of 1 CPU slots are taken"
    assert supervisor.queue() == {first.run: PAUSED, second.run: full, third.run: full}
    supervisor.close()  # the lab is started again
    again = Supervisor(data, Local(WORKER), cores=1, gpus=[])
    again.stop(fourth.run)
    until(lambda: (again.step(), second.status() == "running")[1])
    assert again.queue() == {first.run: PAUSED, third.run: full}
    order.pause(first.run, on=False)
    again.stop(second.run)
    until(lambda: (again.step(), first.status() == "running")[1])
    assert third.status() == "queued"
    again.close()


def test_until_torch_is_imported_everybody_hears_that_it_warms_up(data: Path) -> None:
    class Cold(Local):
        ready = False

    run = queue(data)
    supervisor = Supervisor(data, Cold(WORKER), cores=1, gpus=[])
    supervisor.step()
    assert supervisor.queue() == {run.run: WARMING}
    reader = Supervisor(data, Cold(WORKER), cores=1, gpus=[])
    assert not reader.step()
    assert "another process" in reader.queue()[run.run]
    supervisor.close()
    reader.close()


def test_setting_the_clock_hurries_and_delays_nobody(data: Path) -> None:
    run = queue(data, behave="deaf", steps=10**6, pace=0.01)
    supervisor = Supervisor(data, Local(WORKER), cores=1, gpus=[], terminate_after=0.1, kill_after=0.3)
    supervisor.step()
    until(lambda: len(run.log()) > 0)
    supervisor.stop(run.run)
    os.utime(run.path / "STOP", (4e9, 4e9))  # as if written before the clock was set back by a century
    until(lambda: (supervisor.step(), run.status() in ENDED)[1])
    assert run.exit()["says"] == "It did not answer to stop and was killed by signal SIGKILL."
    patient = queue(data, behave="stoppable", steps=10**6, pace=0.01)
    calm = Supervisor(data, Local(WORKER), cores=1, gpus=[], terminate_after=3600)
    supervisor.close()
    until(lambda: (calm.step(), len(patient.log()) > 0)[1])
    (patient.path / "STOP").touch()
    os.utime(patient.path / "STOP", (1.0, 1.0))  # as if the clock had been set forward by decades since
    until(lambda: (calm.step(), patient.status() in ENDED)[1])
    assert patient.exit()["status"] == "stopped", "it was asked, and never pressed"
    calm.close()


def test_the_pages_show_the_place_of_a_queued_run_and_change_the_order(lab_service: Service) -> None:
    lab_service.executor._warm.clear()  # nothing starts while torch is imported
    first, second = collapse(lab_service.data), collapse(lab_service.data, seed=1)
    lab_service.owner.step()
    assert "place 1" in said(opened("machine.py"))
    test = opened("run.py", run=second)
    assert "place 2 of 2 in the queue" in test.get("progress")[0].proto.text
    machine = opened("machine.py")
    machine.button(key=f"up_{second}").click()
    machine.run()
    assert not machine.exception
    assert list(lab_service.supervisor.order._listed("order")) == [second, first]
    machine.button(key=f"pause_{first}").click()
    machine.run()
    assert lab_service.supervisor.order.paused() == {first}
    assert PAUSED in said(opened("machine.py"))
    assert "next in line" in opened("run.py", run=second).get("progress")[0].proto.text
