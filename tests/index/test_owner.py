"""The owner takes in every acknowledged point exactly once, whatever is interrupted."""

from __future__ import annotations

import os
import random

import duckdb
import polars as pl
import pytest

from engine.index import follower, indexer
from engine.index.owner import IndexOwner
from tests.support.indexed_runs import LAYER, Owners, begin, break_at, log, points_in, points_of, spool_of

# -- exactly once ------------------------------------------------------------------------------------


def test_points_are_taken_in_exactly_once_over_many_owners(owners: Owners) -> None:
    chance = random.Random(1)
    folders = [begin(owners.data) for _ in range(3)]
    spools = [spool_of(folder) for folder in folders]
    at = [0, 0, 0]
    for _ in range(4):
        owner = owners()
        for _ in range(3):
            for i, spool in enumerate(spools):
                more = chance.randrange(30)
                log(spool, range(at[i], at[i] + more), scale=i + 1.0)
                at[i] += more
            owner.step()
        owner.stop()
    owner = owners()
    owner.catch_up()
    for folder, count in zip(folders, at, strict=True):
        assert points_in(owner.store, folder.run) == points_of(folder)
        assert owner.store.series(folder.run, "loss/train")["count"] == count


def test_a_pass_that_fails_at_any_point_counts_for_nothing_and_the_next_one_makes_it_good(
    owner: IndexOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begin(owner.data)
    spool = spool_of(folder)
    log(spool, range(20))
    owner.step()
    for broken in ("metric_point", "vector_point", "event", "run", "ingest_offset"):
        steps = owner.store.upto(folder.run)
        log(spool, range(steps + 1, steps + 21))
        break_at(monkeypatch, broken)
        with pytest.raises(duckdb.IOException, match="disk"):
            owner.step()
        assert "could not be brought up to date" in owner.problem
        monkeypatch.undo()
        assert owner.store.upto(folder.run) == steps
        owner.catch_up()
        assert owner.problem == ""
        assert points_in(owner.store, folder.run) == points_of(folder)
    assert len(owner.store.events(folder.run)) == 12


def test_a_backlog_is_read_in_portions_and_the_run_ends_in_the_index_only_when_all_is_read(
    owner: IndexOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "MOST", 2000)
    monkeypatch.setattr(indexer, "ALLOWANCE", 3000)
    folders = [begin(owner.data) for _ in range(4)]
    for folder in folders:
        log(spool_of(folder), range(80))
        folder.write_exit("finished", code=0)
    passes, seen = 0, set()
    while owner.step():
        passes += 1
        for row in owner.store.runs():
            count = owner.store.series(row["run"], "loss/train")["count"]
            seen.add((row["status"], count == 80))
    assert passes > 5
    assert ("finished", False) not in seen
    assert {row["status"] for row in owner.store.runs()} == {"finished"}
    for folder in folders:
        assert points_in(owner.store, folder.run) == points_of(folder)


def test_a_torn_tail_is_retried_and_reported_when_the_run_is_over(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    spool = spool_of(folder)
    log(spool, range(10))
    whole = spool.path.read_bytes()
    log(spool, range(10, 11))
    longer = spool.path.read_bytes()
    spool.path.write_bytes(longer[: len(whole) + 20])
    owner.catch_up()
    assert owner.store.upto(folder.run) == 9
    spool.path.write_bytes(longer)
    owner.catch_up()
    assert owner.store.upto(folder.run) == 10
    spool.path.write_bytes(longer + longer[len(whole) : -3])
    folder.write_exit("killed", by_signal=9)
    owner.catch_up()
    assert owner.store.state(folder.run)["status"] == "killed"
    assert "torn frame" in owner.store.state(folder.run)["problem"]
    assert points_in(owner.store, folder.run)[-1][2] == 10


# -- attempts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False], ids=["in one pass", "in two passes"])
def test_a_new_attempt_supersedes_the_steps_from_its_start(owner: IndexOwner, together: bool) -> None:
    folder = begin(owner.data)
    log(spool_of(folder), range(50))
    if not together:
        owner.step()
    news: list[dict] = []
    owner.subscribe({folder.run}, news.append)
    second = spool_of(folder, 2, start=30)
    log(second, range(30, 41), scale=-1.0)
    owner.catch_up()
    assert points_in(owner.store, folder.run) == points_of(folder)
    assert owner.store.upto(folder.run) == 40
    assert [e["value"] for e in owner.store.events(folder.run)] == [1.0, 1.0, 1.0, -1.0, -1.0]
    assert owner.store.vectors(folder.run, "router/load", LAYER)["v"][-1] == [40.0, -1.0]
    assert [m["reset"] for m in news if "reset" in m] == [30]
    assert owner.store.runs()[0]["last"]["loss/train"] == -40.0


def test_taking_back_and_putting_in_are_one_transaction(owner: IndexOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin(owner.data)
    log(spool_of(folder), range(50))
    owner.step()
    before = points_in(owner.store, folder.run)
    log(spool_of(folder, 2, start=30), range(30, 33), scale=-1.0)
    break_at(monkeypatch, "ingest_offset")
    with pytest.raises(duckdb.IOException):
        owner.step()
    assert points_in(owner.store, folder.run) == before
    monkeypatch.undo()
    owner.catch_up()
    assert points_in(owner.store, folder.run) == points_of(folder)


def test_the_last_loss_goes_back_when_a_new_attempt_has_told_none_yet(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    log(spool_of(folder), range(50))
    owner.step()
    spool_of(folder, 2, start=30)
    owner.step()
    assert owner.store.runs()[0]["last"]["loss/train"] == 29.0


def test_a_resumed_run_is_followed_again(owners: Owners, owner: IndexOwner) -> None:
    folder = begin(owner.data)
    log(spool_of(folder), range(20))
    folder.write_exit("stopped", code=6)
    owner.catch_up()
    assert (folder.path / "metrics.parquet").exists()
    (folder.path / "exit.json").unlink()
    log(spool_of(folder, 2, start=20), range(20, 30))
    os.utime(owner.runs)
    owner.catch_up()
    assert owner.store.state(folder.run)["status"] == "running"
    folder.write_exit("finished", code=0)
    owner.catch_up()
    assert points_in(owner.store, folder.run) == points_of(folder)
    assert pl.read_parquet(folder.path / "metrics.parquet").height == 60
    owner.stop()
    again = owners()
    again.catch_up()
    assert points_in(again.store, folder.run) == points_of(folder)
