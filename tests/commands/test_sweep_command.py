"""The verb `sweep` and the control verbs over a whole sweep: what is declared, what is reused, and how it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.commands.sweep import code_of
from engine.core.locks import is_locked
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, all_runs
from engine.runs.sweep_file import member_runs, read_sweep, sweep_ids
from engine.scheduler import sweep_control
from engine.scheduler.local import Local
from engine.scheduler.queue import QueueOrder
from engine.scheduler.supervisor import Supervisor
from engine.server.service import Service
from tests.scheduler.test_queue import queue
from tests.support.toy import WORKER, Answer, refused, until

Engine = Callable[..., Answer]
SHORT = ("--preset", "short")


def declared(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["knobs"]["pace"], one["knobs"]["seed"], one["new"]) for one in document["declarations"]]


def test_a_dry_run_says_what_would_be_made_and_writes_nothing(engine: Engine, toy_data: Path) -> None:
    before = sorted(path.name for path in toy_data.iterdir())
    code, told, err = engine("sweep", "toy", *SHORT, "pace=0,0.001", "seed=0..2", "--dry-run", "--json")
    assert (code, err) == (0, "")
    assert set(told) == {"sweep", "declarations", "estimate"}
    assert told["sweep"] is None
    assert declared(told) == [(pace, seed, True) for pace in (0.0, 0.001) for seed in (0, 1, 2)]
    assert {(one["run"], one["code"]) for one in told["declarations"]} == {(None, None)}
    assert told["estimate"] == {"seconds": None, "measured_runs": 0, "at_a_time": told["estimate"]["at_a_time"]}
    assert sorted(path.name for path in toy_data.iterdir()) == before
    text = engine("sweep", "toy", *SHORT, "pace=0,0.001", "seed=0..2", "--dry-run")[1]
    assert "6 of 6 not measured yet" in text


def test_a_sweep_runs_and_repeated_it_makes_nothing_and_more_seeds_only_themselves(engine: Engine, toy_data: Path) -> None:
    code, told, _ = engine("sweep", "toy", *SHORT, "pace=0,0.001", "seed=0..1", "--json")
    assert code == 0
    assert set(told["statuses"].values()) == {"finished"}
    runs = [one["run"] for one in told["declarations"]]
    assert sorted(told["statuses"]) == sorted(runs)
    specs = [RunFolder(toy_data / "runs" / run).spec() or {} for run in runs]
    assert {spec["sweep"] for spec in specs} == {told["sweep"]}
    assert len({spec["identity"] for spec in specs}) == 4
    assert {row["sweep"] for row in engine("runs", "--json")[1]["runs"]} == {told["sweep"]}

    code, again, _ = engine("sweep", "toy", *SHORT, "seed=0..1", "pace=0.001,0", "--json")
    assert (code, again["sweep"]) == (0, told["sweep"]), "the axes in another order are the same runs"
    assert not any(one["new"] for one in again["declarations"])
    assert sorted(one["run"] for one in again["declarations"]) == sorted(runs)

    more = engine("sweep", "toy", *SHORT, "pace=0,0.001", "seed=0..2", "--json")[1]
    assert [one["new"] for one in more["declarations"]] == [False, False, True] * 2
    assert more["sweep"] != told["sweep"]
    assert len(all_runs(toy_data)) == 6
    assert sorted(row["run"] for row in engine("runs", "--sweep", told["sweep"], "--json")[1]["runs"]) == sorted(runs)
    assert len(engine("runs", "--sweep", more["sweep"], "--json")[1]["runs"]) == 6, "a run belongs to every sweep that names it"

    fresh = engine("sweep", "toy", *SHORT, "pace=0", "seed=0", "--fresh", "--json")[1]
    assert fresh["declarations"][0]["new"]
    assert len(all_runs(toy_data)) == 7


def test_a_plain_run_counts_as_existing_and_says_when_its_code_is_not_known(engine: Engine) -> None:
    run = engine("run", "toy", *SHORT, "seed=1", "--json")[1]["run"]
    told = engine("sweep", "toy", *SHORT, "seed=0..1", "--dry-run", "--json")[1]
    assert [(one["run"], one["new"], one["code"]) for one in told["declarations"]] == [(None, True, None), (run, False, "unknown")]


@pytest.mark.parametrize(("behave", "code", "counts"), [
    (["behave=mute", "code=4"], 0, True),
    (["behave=fail"], 3, False),
    (["behave=mute", "code=6"], 6, False),
])  # fmt: skip
def test_a_diverged_arm_is_a_result_and_what_failed_or_stopped_is_made_again(
    engine: Engine, behave: list[str], code: int, counts: bool
) -> None:
    found, told, _ = engine("sweep", "toy", *SHORT, *behave, "seed=0..1", "--json")
    assert found == code
    again = engine("sweep", "toy", *SHORT, *behave, "seed=0..1", "--dry-run", "--json")[1]
    assert [one["new"] for one in again["declarations"]] == [not counts] * 2
    assert set(told["statuses"]) == {one["run"] for one in told["declarations"]}


def test_one_failed_arm_decides_the_exit_code() -> None:
    assert code_of(["finished", "diverged"]) == 0
    assert code_of(["finished", "stopped"]) == 6
    assert code_of(["stopped", "lost", "diverged"]) == 3
    assert code_of(["finished"], missing=True) == 6


@pytest.mark.parametrize(("arguments", "code", "part"), [
    (["toi"], 2, 'did you mean "toy"?'),
    (["toy", "--preset", "shrt", "seed=0,1"], 2, 'did you mean "short"?'),
    (["toy", "stps=1,2"], 2, 'did you mean "steps"?'),
    (["toy", "seed=0..40"], 2, "out of bounds"),
    (["toy", "seed=2..1"], 2, "give the smaller end first"),
    (["toy", "pace=0..1/1"], 2, "give a whole number from 2"),
    (["toy", "pace=0.1..0.5"], 2, "no range of whole numbers"),
    (["toy", "seed=1,1"], 2, "gives 1 twice"),
    (["toy", "seed=1", "seed=2"], 2, "seed was given twice"),
    (["toy", "seed"], 2, "is not KNOB=VALUE"),
    (["toy", "seed=0..9", "steps=1..200"], 2, "at most 1000 are allowed"),
    (["toy", "seed=0..1", "--random", "3"], 2, "needs a knob with several values"),
    (["toy", "steps=1..5", "--random", "0"], 2, "--random 0 is out of bounds"),
])  # fmt: skip
def test_what_cannot_be_swept_is_refused_in_one_sentence(
    engine: Engine, toy_data: Path, arguments: list[str], code: int, part: str
) -> None:
    refused(engine("sweep", *arguments, "--json"), code, part)
    assert not list(toy_data.glob("*/*")), "nothing was made"


@pytest.mark.parametrize("verb", ["stop", "hold", "resume", "show"])
def test_a_sweep_that_does_not_exist_is_five(engine: Engine, verb: str) -> None:
    refused(engine(verb, "s20990101-000000-toy-abcd", "--json"), 5, "No sweep")


def test_control_c_stops_every_new_run_and_is_six(engine: Engine, toy_data: Path) -> None:
    def interrupt() -> None:
        until(lambda: any(r.log() for r in all_runs(toy_data)))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    code, told, _ = engine("sweep", "toy", "steps=1000000", "pace=0.01", "behave=stoppable", "seed=0..5", "--json")
    assert code == 6
    assert set(told["statuses"].values()) == {"stopped"}


def test_a_sweep_is_held_stopped_resumed_and_deleted_as_one(engine: Engine, toy_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.commands.sweep.work_on_the_queue", lambda: None)
    monkeypatch.setattr("engine.commands.resume.work_on_the_queue", lambda: None)
    told = engine("sweep", "toy", "steps=1000000", "pace=0.01", "behave=stoppable", "seed=0..2", "--detach", "--json")[1]
    assert set(told["statuses"].values()) == {"queued"}
    sweep = told["sweep"]
    supervisor = Supervisor(toy_data, Local(WORKER), cores=1, gpus=[])
    until(lambda: (supervisor.step(), sorted(sweep_control.statuses(toy_data, read_sweep(toy_data, sweep)).values())[-1] == "running")[1])
    held = engine("hold", sweep, "--json")[1]["runs"]
    assert [one["status"] for one in held].count("held") == 1
    assert len(supervisor.order.paused()) == 2
    assert {one["status"] for one in engine("resume", sweep, "--json")[1]["runs"]} == {"running", "queued"}
    assert supervisor.order.paused() == frozenset()
    assert {one["status"] for one in engine("stop", sweep, "--json")[1]["runs"]} == {"stopped"}
    began = [one for one in all_runs(toy_data) if one.log()]
    until(lambda: (supervisor.step(), not any(is_locked(one.path / "claim") for one in began))[1])
    shown = engine("show", sweep, "--json")[1]
    assert [one["knobs"] for one in shown["declarations"]] == [{"seed": seed} for seed in range(3)]
    assert set(shown["statuses"].values()) == {"stopped"}
    assert "3 stopped" in engine("show", sweep)[1]
    assert {one["status"] for one in engine("resume", sweep, "--json")[1]["runs"]} == {"queued"}
    engine("stop", sweep)
    kept = engine("delete", sweep, "--json")[1]["runs"]
    assert {one["status"] for one in kept} == {"stopped"}
    assert sweep_ids(toy_data) == []
    assert len(all_runs(toy_data)) == 3, "deleting a sweep keeps its runs"
    supervisor.close()


def test_delete_with_runs_spares_those_that_another_sweep_counts_on(engine: Engine, toy_data: Path) -> None:
    first = engine("sweep", "toy", *SHORT, "seed=0..1", "--json")[1]
    second = engine("sweep", "toy", *SHORT, "seed=1..2", "--json")[1]
    shared = second["declarations"][0]["run"]
    told = {one["run"]: one["status"] for one in engine("delete", first["sweep"], "--runs", "--json")[1]["runs"]}
    assert told == {first["declarations"][0]["run"]: "deleted", shared: "finished"}
    engine("delete", second["sweep"], "--runs", "--json")
    assert [folder.run for folder in all_runs(toy_data)] == [shared], "it was there before the second sweep"


def test_a_deleted_run_stays_deleted_until_the_sweep_is_resumed(engine: Engine, toy_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.commands.resume.work_on_the_queue", lambda: None)
    told = engine("sweep", "toy", *SHORT, "seed=0..1", "--json")[1]
    run = told["declarations"][1]["run"]
    engine("delete", run, "--json")
    supervisor = Supervisor(toy_data, Local(WORKER), cores=1, gpus=[])
    supervisor.step()
    assert len(all_runs(toy_data)) == 1
    assert engine("show", told["sweep"], "--json")[1]["declarations"][1]["run"] is None
    engine("resume", told["sweep"])
    until(lambda: (supervisor.step(), all(f.status() in ENDED for f in all_runs(toy_data)))[1])
    runs = member_runs(toy_data, read_sweep(toy_data, told["sweep"]))
    assert None not in runs.values()
    assert {f.status() for f in all_runs(toy_data)} == {"finished"}
    supervisor.close()


def test_beside_a_server_the_sweep_is_written_and_the_server_runs_it(engine: Engine, toy_data: Path) -> None:
    supervisor = Supervisor(toy_data, Local(WORKER), cores=2, gpus=[])
    supervisor.start()
    until(supervisor.acquire_duty)
    code, told, _ = engine("sweep", "toy", *SHORT, "seed=0..4", "--json")
    assert (code, set(told["statuses"].values())) == (0, {"finished"})
    supervisor.close()


def test_a_process_without_a_page_works_on_the_queue_and_leaves_when_it_is_empty(
    engine: Engine, toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `--detach` starts where nobody is on duty."""
    monkeypatch.setattr("engine.commands.serve.Service", lambda: Service(executor=Local(WORKER)))
    monkeypatch.setattr("engine.server.service._Catalog.refresh", lambda self: None)
    monkeypatch.setattr("engine.commands.serve.LOOK", 0.05)
    paused, *runs = [queue(toy_data, behave="finish", steps=3) for _ in range(4)]
    QueueOrder(toy_data).pause(paused.run)
    assert engine("serve", "--until-idle", "--json")[0] == 0
    assert {run.status() for run in runs} == {"finished"}
    assert paused.status() == "queued"


def test_detach_starts_that_process_unless_somebody_is_on_duty(engine: Engine, toy_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("engine.commands._sweeps.subprocess.Popen", lambda command, **_: started.append(command))
    engine("sweep", "toy", *SHORT, "seed=0..1", "--detach", "--json")
    assert [command[1:] for command in started] == [["-m", "engine", "serve", "--until-idle"]]
    supervisor = Supervisor(toy_data, Local(WORKER), cores=0, gpus=[])
    assert supervisor.acquire_duty()
    engine("sweep", "toy", *SHORT, "seed=2..3", "--detach", "--json")
    assert len(started) == 1
    supervisor.close()
