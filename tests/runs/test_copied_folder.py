"""The name of a folder is its run, everywhere: a copy stands beside its original and is deleted without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder, run_folder
from engine.scheduler.control import delete
from tests.support.made_runs import finished_run


@pytest.fixture
def pair(tmp_path: Path) -> tuple[RunFolder, RunFolder]:
    """An ended run and a copy of its folder under another id."""
    made = finished_run(tmp_path, steps=20)
    copy = made.folder.path.with_name(made.run[:-4] + ("ffff" if not made.run.endswith("ffff") else "0000"))
    shutil.copytree(made.folder.path, copy)
    return made.folder, RunFolder(copy)


def test_a_copy_is_a_run_of_its_own(pair: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    original, copy = pair
    assert (copy.spec() or {})["run"] == copy.run
    owner = IndexOwner(tmp_path)
    owner.catch_up()
    try:
        assert {row["run"] for row in owner.store.runs()} == {original.run, copy.run}
        shown = {one.run: owner.store.show(one.run) for one in pair}
        assert shown[copy.run]["run"] == copy.run
        assert shown[copy.run]["metrics"] == shown[original.run]["metrics"]
        assert owner.store.frame(copy.run).equals(owner.store.frame(original.run), null_equal=True)
    finally:
        owner.stop()


def test_deleting_the_copy_leaves_the_original(pair: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    original, copy = pair
    before = {path.name: path.read_bytes() for path in original.path.iterdir() if path.is_file()}
    delete(run_folder(tmp_path, (copy.spec() or {})["run"]))
    assert not copy.path.exists()
    assert {path.name: path.read_bytes() for path in original.path.iterdir() if path.is_file()} == before
