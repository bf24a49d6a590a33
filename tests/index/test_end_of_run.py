"""At its end a run lies sorted in the index and in Parquet, also for a notebook."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from engine.index import indexer
from engine.index.open_run import open_run
from engine.index.owner import IndexOwner
from tests.support.indexed_runs import Owners, begin, everything, log, points_in, points_of, spool_of


def test_an_ended_run_lies_sorted_and_in_parquet(owner: IndexOwner) -> None:
    folder, other = begin(owner.data), begin(owner.data)
    spools = [spool_of(folder), spool_of(other)]
    for start in range(0, 100, 10):
        for spool in spools:
            log(spool, range(start, start + 10))
        owner.step()
    before = everything(owner, folder.run)[1:]
    folder.write_exit("diverged", code=4)
    owner.catch_up()
    assert everything(owner, folder.run)[1:] == before
    assert owner.store.show(folder.run)["status"] == "diverged"
    run_id = owner._indexer.directory.runs[folder.run]
    rows = owner._indexer.connection.cursor().execute(f"SELECT metric_id, step FROM store.metric_point WHERE run_id = {run_id}").fetchall()
    assert rows == sorted(rows)
    exported = pl.read_parquet(folder.path / "metrics.parquet")
    assert exported.columns == ["name", "layer", "step", "t", "value"]
    assert sorted((n, layer, s, t, repr(v)) for n, layer, s, t, v in exported.iter_rows()) == points_of(folder)
    assert pl.read_parquet(folder.path / "vectors.parquet").height == 50
    assert sorted(p.name for p in folder.path.iterdir() if p.name.startswith(".")) == []


def test_killed_between_export_and_sorting_the_work_is_done_again(
    owners: Owners, owner: IndexOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begin(owner.data)
    log(spool_of(folder), range(30))
    folder.write_exit("finished", code=0)

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> str:
        raise Killed

    monkeypatch.setattr(indexer, "finish", kill)
    with pytest.raises(Killed):
        owner.catch_up()
    owner.stop()
    monkeypatch.undo()
    again = owners()
    again.catch_up()
    assert points_in(again.store, folder.run) == points_of(folder)
    assert (folder.path / "metrics.parquet").exists()


def test_parquet_that_cannot_be_written_is_a_problem_of_that_run_only(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    log(spool_of(folder), range(30))
    (folder.path / ".metrics.parquet.part").mkdir()
    folder.write_exit("finished", code=0)
    owner.catch_up()
    state = owner.store.state(folder.run)
    assert state["status"] == "finished"
    assert "metrics.parquet could not be written" in state["problem"]
    assert points_in(owner.store, folder.run) == points_of(folder)


def test_a_notebook_reads_a_run_from_its_spools_or_from_parquet_as_the_store_does(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    log(spool_of(folder), range(50))
    log(spool_of(folder, 2, start=30), range(30, 40), scale=-2.0)
    owner.catch_up()
    expected = owner.store.frame(folder.run)
    assert open_run(folder.path).equals(expected, null_equal=True)
    folder.write_exit("finished", code=0)
    owner.catch_up()
    for spool in folder.path.glob("spool.*"):
        spool.unlink()
    assert open_run(folder.path).equals(expected, null_equal=True)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        open_run(folder.path / "nothing")
