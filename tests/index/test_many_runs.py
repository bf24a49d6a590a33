"""Many ended runs: how far the index is, what the next start looks at, and a kill in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.core.paths import ROOT
from engine.index import indexer
from engine.index.ended_runs import FEW
from engine.index.owner import IndexOwner
from tests.benchmarks.measures.first_indexing import folder_of
from tests.support.indexed_runs import points_in, points_of

MANY = 4 * FEW

REBUILD = """
import sys
from pathlib import Path
from engine.index.owner import IndexOwner
owner = IndexOwner(Path(sys.argv[1]))
owner.rebuild(lambda done, of: print(done, of, flush=True))
print("whole", flush=True)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return folder_of(tmp_path, MANY, steps=5)


def looked_at(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs whose declaration a new owner reads until it has caught up."""
    read: list[str] = []
    real = indexer.first_row
    monkeypatch.setattr(indexer, "first_row", lambda folder: (read.append(folder.run), real(folder))[1])
    owner = IndexOwner(data)
    owner.catch_up()
    assert len(owner.store.runs()) == MANY
    owner.stop()
    monkeypatch.undo()
    return read


def test_the_progress_rises_to_all_runs(data: Path) -> None:
    owner, told = IndexOwner(data), []
    owner.catch_up(lambda done, of: told.append((done, of)))
    owner.stop()
    assert told[-1] == (0, 0), "nothing is left to do"
    assert {of for _, of in told[:-1]} == {MANY}
    done = [done for done, _ in told[:-1]]
    assert done == sorted(done)
    assert len(set(done)) >= 2


def test_the_next_start_looks_only_at_folders_that_have_changed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(looked_at(data, monkeypatch)) == MANY
    runs = sorted((data / "runs").iterdir())
    for folder in runs:  # as if the exports had been written a while ago
        os.utime(folder, (1_000_000, 1_000_000))
    looked_at(data, monkeypatch)
    assert looked_at(data, monkeypatch) == []
    (runs[1] / "note").touch()
    assert looked_at(data, monkeypatch) == [runs[1].name]


def test_a_kill_while_the_index_is_made_again_costs_nothing(data: Path) -> None:
    for passes in (1, 2, 3):
        with subprocess.Popen([sys.executable, "-c", REBUILD, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            said = [child.stdout.readline() for _ in range(passes)]
            os.kill(child.pid, signal.SIGKILL)
        assert "whole\n" not in said
    owner = IndexOwner(data)
    owner.catch_up()
    shown = owner.store.runs()
    assert len(shown) == MANY
    assert {row["status"] for row in shown} == {"finished"}
    for row in shown[:: FEW + 1]:
        folder = data / "runs" / row["run"]
        assert points_in(owner.store, row["run"]) == points_of(indexer.RunFolder(folder))
        assert (folder / "metrics.parquet").is_file()
    owner.stop()
