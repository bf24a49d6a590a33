"""Two processes on one folder: one owns, the other reads, and takes over when the first leaves."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder
from engine.runs.spool import Spool
from tests.support.indexed_runs import Owners, everything, log, points_in, points_of


def test_a_second_owner_is_a_reader_that_loads_what_it_is_asked_for_and_writes_nothing(
    owners: Owners, owner: IndexOwner, lived: list[RunFolder]
) -> None:
    reader = owners()
    assert (owner.role, reader.role) == ("owner", "reader")
    files = {p: p.stat().st_mtime_ns for p in owner.data.rglob("*") if p.is_file() and p.suffix != ".wal"}
    assert reader.store.runs() == owner.store.runs()
    assert lived[0].run not in reader._indexer.directory.runs, "what Parquet can tell is not loaded"
    assert [everything(reader, folder.run) for folder in lived] == [everything(owner, folder.run) for folder in lived]
    news: list[dict] = []
    reader.subscribe({lived[2].run}, news.append)
    log(Spool(lived[2].path / "spool.2.bin", lived[2].run, attempt=2, start=30), range(30, 40))
    reader.catch_up()
    assert news[0]["points"]["loss/train"]["steps"] == list(range(30, 40))
    assert points_in(reader.store, lived[2].run) == points_of(lived[2])
    with pytest.raises(KeyError):
        reader.store.show("20250101-000000-moe-0000")
    with pytest.raises(RuntimeError, match=f"Process {os.getpid()} owns"):
        reader.rebuild()
    lived[2].path.joinpath("spool.2.bin").unlink()
    assert {p: p.stat().st_mtime_ns for p in owner.data.rglob("*") if p.is_file() and p.suffix != ".wal"} == files


def test_a_reader_takes_the_place_of_an_owner_that_left(owners: Owners, owner: IndexOwner, lived: list[RunFolder]) -> None:
    reader = owners()
    before = everything(reader, lived[1].run)
    assert reader.promote() is False
    owner.stop()
    reader._next_try = 0.0
    assert reader.promote() is True
    reader.catch_up()
    assert reader.role == "owner"
    assert everything(reader, lived[1].run) == before
    assert reader.rebuild()["runs"] == 4


def test_an_index_open_in_another_program_does_not_stop_the_lab(owners: Owners, owner: IndexOwner, lived: list[RunFolder]) -> None:
    before = [everything(owner, folder.run) for folder in lived]
    owner.stop()
    code = f"import duckdb, sys; c = duckdb.connect({str(owner.file)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as notebook:
        assert notebook.stdout.readline() == "open\n"
        again = owners()
        assert again.role == "owner"
        assert "is open in another program" in again.problem
        assert [everything(again, folder.run) for folder in lived] == before
        notebook.stdin.close()
