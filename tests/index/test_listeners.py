"""Listeners hear what was committed, thinned but with every extreme."""

from __future__ import annotations

import math
import os
import time
from typing import Any

import pytest

from engine.index import subscribe
from engine.index.owner import IndexOwner
from tests.support.indexed_runs import LAYER, begin, break_at, log, points_in, points_of, spool_of, told_step


def wait_for(what: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_listeners_hear_what_was_committed_and_only_of_their_runs(owner: IndexOwner) -> None:
    one, other = begin(owner.data), begin(owner.data)
    news: list[dict] = []
    stop = owner.subscribe({one.run}, news.append)
    spool = spool_of(one)
    log(spool, range(8, 11))
    log(spool_of(other), range(3))
    told_step(one, 11, step_seconds=0.5)
    owner.step()
    assert [m["run"] for m in news] == [one.run]
    [message] = news
    assert message["points"][f"grad_norm@{LAYER}"] == {"steps": [8, 9, 10], "t": [1008.0, 1009.0, 1010.0], "values": [1.0, 1.0, 1.0]}
    assert message["vectors"][f"router/load@{LAYER}"] == {"steps": [8, 10], "t": [1008.0, 1010.0], "v": [[8.0, 1.0], [10.0, 1.0]]}
    assert [(e["step"], e["kind"]) for e in message["events"]] == [(10, "spike")]
    assert {k: message["state"][k] for k in ("status", "step", "steps", "phase", "step_seconds")} == {
        **{"status": "running", "step": 11, "steps": 100, "phase": "training", "step_seconds": 0.5}
    }
    owner.step()
    assert len(news) == 1, "no news is no message"
    spool.log(14, {("loss/train", ""): math.nan})
    spool.log(15, {("loss/train", ""): -math.inf, ("lr", ""): 1.0})
    owner.step()
    assert news[1]["points"]["loss/train"]["values"] == ["NaN", "-Infinity"]
    assert news[1]["points"]["loss/train"]["steps"] == [14, 15]
    assert "state" not in news[1]
    one.write_exit("diverged", code=4)
    owner.catch_up()
    assert news[2]["state"]["status"] == "diverged"
    stop()
    log(spool_of(one, 2, 11), range(11, 12))
    os.utime(owner.runs)
    owner.catch_up()
    assert len(news) == 3


def test_of_small_tables_the_newest_row_is_told_and_large_ones_are_only_stored(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    news: list[dict] = []
    owner.subscribe({folder.run}, news.append)
    spool = spool_of(folder)
    large = (subscribe.SMALL, 2)
    spool.describe("jumps", shape=(2, 2))
    spool.describe("samples", shape=large)
    for step in range(3):
        spool.log(step, {}, {("jumps", ""): [1.0, 2.0, 3.0, step], ("samples", ""): [4.0] * math.prod(large), ("row", ""): [1.0, 2.0]})
    owner.catch_up()
    assert [set(message["vectors"]) for message in news] == [{"jumps", "row"}]
    told = news[0]["vectors"]
    assert (told["jumps"]["steps"], told["jumps"]["v"]) == ([2], [[1.0, 2.0, 3.0, 2.0]])
    assert told["row"]["steps"] == [0, 1, 2]
    assert len(owner.store.frame(folder.run, ["jumps", "samples"])) == 3 * (4 + math.prod(large)), "they are stored all the same"


def test_a_listener_that_fails_is_dropped_and_the_others_still_hear(owner: IndexOwner, caplog: pytest.LogCaptureFixture) -> None:
    folder = begin(owner.data)
    news: list[dict] = []
    owner.subscribe({folder.run}, lambda message: 1 / 0)
    owner.subscribe({folder.run}, news.append)
    spool = spool_of(folder)
    for step in range(3):
        spool.log(step, {("a", ""): 1.0})
        owner.step()
    assert len(news) == 3
    assert len([r for r in caplog.records if "listener" in r.message]) == 1


def test_a_backlog_reaches_listeners_thinned_but_with_every_extreme(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    news: list[dict] = []
    owner.subscribe({folder.run}, news.append)
    spool = spool_of(folder)
    for step in range(20_000):
        value = {7_777: 1e9, 8_888: -1e9, 9_999: math.nan}.get(step, math.sin(step))
        spool.log(step, {("loss/train", ""): value})
    owner.catch_up()
    drawn = [p for m in news for p in zip(m["points"]["loss/train"]["steps"], m["points"]["loss/train"]["values"], strict=True)]
    assert {(7_777, 1e9), (8_888, -1e9), (9_999, "NaN"), (0, 0.0), (19_999, math.sin(19_999))} <= set(drawn)
    assert len(drawn) <= (subscribe.POINTS + 3) * len(news), "with the first, the last and the NaN"
    assert drawn == sorted(drawn, key=lambda p: p[0])


def test_the_thread_brings_points_by_itself_and_outlives_a_pass_that_fails(owner: IndexOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin(owner.data)
    spool = spool_of(folder)
    owner.start()
    log(spool, range(10))
    wait_for(lambda: owner.store.show(folder.run)["metrics"].get("loss/train", {}).get("points") == 10)
    break_at(monkeypatch, "metric_point")
    log(spool, range(10, 20))
    wait_for(lambda: "No space left" in owner.problem)
    monkeypatch.undo()
    wait_for(lambda: owner.problem == "" and owner.store.series(folder.run, "loss/train")["count"] == 20)
    assert points_in(owner.store, folder.run) == points_of(folder)


def test_a_state_is_told_again_only_to_those_who_come_when_nobody_had_it(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    spool = spool_of(folder)
    first: list[dict] = []
    second: list[dict] = []
    leave = owner.subscribe({folder.run}, first.append)
    owner.step()
    assert [message["state"]["status"] for message in first] == ["running"]
    stay = owner.subscribe({folder.run}, second.append)
    leave()
    spool.log(0, {("a", ""): 1.0})
    owner.step()
    assert ["state" in message for message in second] == [False], "it came with the snapshot, and has not changed since"
    stay()
    third: list[dict] = []
    owner.subscribe({folder.run}, third.append)
    owner.step()
    assert [message["state"]["status"] for message in third] == ["running"]
