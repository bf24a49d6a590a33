"""Sweeps in the queue: fair between people, what counts as existing, how long it takes, and what is added later."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.core import locks
from engine.core.files import write_json
from engine.declare.resolve import resolve
from engine.declare.sweep import more_seeds, plan
from engine.runs.folder import RunFolder, all_runs, new_run
from engine.runs.sweep_file import Sweep, member_runs, read_sweep, sweep_ids
from engine.scheduler import control, estimate, sweep_control
from engine.scheduler.local import Local
from engine.scheduler.preview import sentences
from engine.scheduler.submit import submit
from engine.scheduler.supervisor import Supervisor
from engine.scheduler.sweeps import Arm, arms, create, extend
from tests.support.toy import TOY, WORKER, until

SIZED: dict[str, Any] = {**TOY, "knobs": [{**k, "group": "size"} if k["name"] == "pace" else k for k in TOY["knobs"]]}


def swept(data: Path, who: str = "ann", **given: str) -> Sweep:
    return create(data, TOY, plan(TOY, None, {"steps": "3", **given}), who=who)[0]


def ended(data: Path, seed: int, status: str, lab: dict[str, Any] = TOY) -> RunFolder:
    folder = submit(data, resolve(lab, None, {"steps": 3, "seed": seed}), who="ann")
    folder.write_exit(status)
    return folder


def test_beside_a_sweep_of_twenty_a_single_run_of_another_person_starts_within_one_end(data: Path) -> None:
    sweep = swept(data, "ann", seed="0..9", pace="0,0.001")
    assert len(sweep.members) == 20
    supervisor = Supervisor(data, Local(WORKER), cores=1, gpus=[])
    try:
        until(lambda: (supervisor.step(), any(status != "queued" for status in sweep_control.statuses(data, sweep).values()))[1])
        single = submit(data, resolve(TOY, None, {"steps": 3, "seed": 10}), who="bob")
        before = sum(status != "queued" for status in sweep_control.statuses(data, sweep).values())
        until(lambda: (supervisor.step(), single.status() != "queued")[1])
        begun = sum(status != "queued" for status in sweep_control.statuses(data, sweep).values())
        assert begun <= before + 1, "one run may have begun since bob looked, and he was next when it ended"
    finally:
        supervisor.close()


@pytest.mark.parametrize("status", ["finished", "diverged", "stopped", "failed", "killed", "lost"])
def test_what_counts_as_existing_is_what_ended_well(data: Path, status: str) -> None:
    run = ended(data, 1, status).run
    (arm,) = arms(data, TOY, [resolve(TOY, None, {"steps": 3, "seed": 1})])
    assert arm.run == (run if status in ("finished", "diverged") else None)
    (fresh,) = arms(data, TOY, [arm.declared], fresh=True)
    assert fresh.run is None


def test_a_run_that_goes_on_is_not_made_twice_and_one_that_ended_well_is_taken_before_it(data: Path) -> None:
    declared = resolve(TOY, None, {"steps": 3, "seed": 1})
    waiting = submit(data, declared, who="ann").run
    assert arms(data, TOY, [declared])[0].run == waiting
    done = ended(data, 1, "finished").run
    submit(data, declared, who="ann")
    assert arms(data, TOY, [declared])[0].run == done


def test_code_is_older_where_other_sources_decided(data: Path) -> None:
    then, now = {**TOY, "code": {"": "aaa"}}, {**TOY, "code": {"": "bbb"}}
    ended(data, 1, "finished", then)
    ended(data, 2, "finished", now)
    ended(data, 3, "finished")
    found = arms(data, now, [resolve(now, None, {"steps": 3, "seed": seed}) for seed in (1, 2, 3, 4)])
    assert [arm.code for arm in found] == ["older", None, "unknown", None]
    told = sentences(found, estimate.of_many(data, [found[3].declared]))
    assert "3 of them exist already; 1 is new." in told
    assert "Of those that exist, 1 was made by other sources than today's." in told


def test_two_people_who_ask_for_the_same_at_once_make_it_once(data: Path) -> None:
    threads = [threading.Thread(target=swept, args=(data, who), kwargs={"seed": "0..4"}) for who in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(all_runs(data)) == 5


def test_a_found_run_that_failed_later_is_replaced_by_resume(data: Path) -> None:
    waiting = submit(data, resolve(TOY, None, {"steps": 3, "seed": 0}), who="bob")
    sweep = swept(data, seed="0..1")
    assert sorted(sweep.reused.values()) == [waiting.run]
    waiting.write_exit("failed")
    runs, against = sweep_control.resume(data, sweep, Local(WORKER))
    assert against == []
    assert waiting.run not in {folder.run for folder in runs}
    assert len(runs) == 2
    assert len(all_runs(data)) == 3


def test_stopping_a_sweep_leaves_the_runs_of_others_alone(data: Path) -> None:
    waiting = submit(data, resolve(TOY, None, {"steps": 3, "seed": 0}), who="bob")
    sweep = swept(data, seed="0..2")
    sweep_control.stop(data, sweep, Local(WORKER))
    assert waiting.status() == "queued"
    assert sorted(sweep_control.statuses(data, sweep).values()) == ["queued", "stopped", "stopped"]


def test_seeds_added_later_repeat_nothing_and_stand_in_the_same_sweep(data: Path) -> None:
    sweep = swept(data, seed="0..1", pace="0,0.001")
    with_one = submit(data, resolve(TOY, None, {"steps": 3, "seed": 2, "pace": 0.001}), who="bob")
    more = more_seeds(TOY, sweep.preset, [member.knobs for member in sweep.members], [2, 3])
    grown, added = extend(data, TOY, sweep, more)
    assert [(arm.declared.flat["pace"], arm.declared.flat["seed"]) for arm in added] == list(itertools.product((0.0, 0.001), (2, 3)))
    assert [arm.run for arm in added] == [None, None, with_one.run, None]
    assert read_sweep(data, sweep.id) == grown
    assert (len(grown.members), grown.seeds, grown.axes) == (8, (0, 1, 2, 3), sweep.axes)
    assert len(all_runs(data)) == 8
    assert None not in member_runs(data, grown).values()
    again, none = extend(data, TOY, grown, more)
    assert none == []
    assert again.members == grown.members


def measured(data: Path, seconds: float, **knobs: Any) -> None:
    declared = resolve(SIZED, None, knobs)
    folder = new_run(data, "toy", {"preset": None, "knobs": declared.nested, "who": "ann", "twin": None})
    write_json(folder.path / "state.json", {"step_seconds": seconds})
    folder.write_exit("finished")


def test_the_estimate_counts_what_is_measured_and_never_guesses(data: Path) -> None:
    declared = list(plan(SIZED, None, {"steps": "10", "pace": "0,0.5", "seed": "0..8"}).declarations)
    nothing = estimate.of_many(data, declared, cores=2, gpus=0)
    assert nothing.json() == {"seconds": None, "measured_runs": 0, "at_a_time": 2}
    measured(data, 0.5, pace=0.5, seed=9)
    half = estimate.of_many(data, declared, cores=2, gpus=0)
    assert half.json() == {"seconds": None, "measured_runs": 9, "at_a_time": 2}
    told = sentences([Arm(one, "") for one in declared], half)
    assert told == ["18 runs, 2 at a time.", "9 of 18 not measured yet: no run of that size tells how long a step takes here."]
    measured(data, 0.1, pace=0.0, seed=9)
    whole = estimate.of_many(data, declared, cores=2, gpus=0)
    assert whole.seconds == pytest.approx((9 * 10 * 0.5 + 9 * 10 * 0.1) / 2)
    assert sentences([Arm(one, "") for one in declared], whole) == ["18 runs, about 27 s, 2 at a time."]
    assert estimate.of_many(data, declared[-1:], cores=2, gpus=0).seconds == pytest.approx(5.0), "one run is not halved"
    assert estimate.of_many(data, [], cores=2, gpus=0).seconds == 0.0
    wide = [resolve(SIZED, None, {"threads": 3}), resolve(SIZED, None, {"threads": 1})]
    assert estimate.of_many(data, wide, cores=8, gpus=0).at_a_time == 2
    assert estimate.of_many(data, wide, cores=2, gpus=0).at_a_time == 1


def test_while_a_sweep_is_deleted_nobody_puts_more_runs_into_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds that were added meanwhile trained on for a sweep that was gone, and what wrote its file last brought it back."""
    sweep = swept(data, seed="0..2")
    delete, free = control.delete, []

    def watched(folder: RunFolder) -> None:
        mine = locks.take(data / "sweeps" / "lock")
        free.append(mine is not None)
        if mine is not None:
            mine.release()
        delete(folder)

    monkeypatch.setattr(control, "delete", watched)
    gone, kept = sweep_control.delete(data, sweep.id, runs=True)
    assert (len(gone), kept, free) == (3, [], [False] * 3)
    assert (all_runs(data), sweep_ids(data)) == ([], [])


def test_runs_that_wait_do_not_begin_while_their_sweep_is_deleted(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that began in the middle was refused when others were gone already."""
    sweep = swept(data, seed="0..2")
    delete, waiting = control.delete, []

    def watched(folder: RunFolder) -> None:
        waiting.extend(one for one in all_runs(data) if one.status() == "queued")
        delete(folder)

    monkeypatch.setattr(control, "delete", watched)
    assert len(sweep_control.delete(data, sweep.id, runs=True)[0]) == 3
    assert waiting == []


def test_a_forgotten_sweep_leaves_its_queued_runs_in_the_queue(data: Path) -> None:
    sweep = swept(data, seed="0..2")
    assert sweep_control.delete(data, sweep.id)[0] == []
    assert [folder.status() for folder in all_runs(data)] == ["queued"] * 3
    assert sweep_ids(data) == []
