"""The index is disposable: cut it anywhere, flip any bit, and the same questions have the same answers, in a command and in a server."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.index.connection import KEPT, examined, move_aside
from engine.index.owner import IndexOwner
from tests.support.made_runs import finished_run

CUTS, FLIPS, ALL = 8, 12, 200


def answers(owner: IndexOwner) -> list[Any]:
    """What `runs`, `show` and `metrics` say of every run."""
    store = owner.store
    return [store.runs(), *((store.show(row["run"]), store.frame(row["run"]).to_dicts()) for row in store.runs())]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder with two ended runs and their index, and what it answers (as text: NaN equals NaN)."""
    data = tmp_path_factory.mktemp("whole")
    for steps in (80, 120):
        finished_run(data, steps=steps)
    owner = IndexOwner(data)
    owner.catch_up()
    said = repr(answers(owner))
    owner.stop()
    return data, said


@pytest.fixture
def data(whole: tuple[Path, str], tmp_path: Path) -> Path:
    shutil.copytree(whole[0], tmp_path / "data")
    return tmp_path / "data"


def harmed(file: Path, number: int) -> None:
    """The first CUTS numbers cut the file, evenly spaced over it; the others flip one bit somewhere."""
    size = file.stat().st_size
    if number < CUTS:
        os.truncate(file, int(size * (number + 0.5) / CUTS))
    else:
        content, draw = bytearray(file.read_bytes()), random.Random(number)
        content[draw.randrange(size)] ^= 1 << draw.randrange(8)
        file.write_bytes(content)


@pytest.mark.parametrize("number", [pytest.param(n, marks=pytest.mark.slow if n >= CUTS + FLIPS else ()) for n in range(ALL)])
def test_a_damaged_index_answers_as_before(whole: tuple[Path, str], data: Path, number: int) -> None:
    file = data / "faultline.duckdb"
    harmed(file, number)
    problem = examined(file)
    owner = IndexOwner(data)
    try:
        owner.catch_up()
        assert repr(answers(owner)) == whole[1]
        assert ("moved aside" in owner.problem) == bool(list(data.glob("*.damaged-*")))
        if problem and not list(data.glob("*.damaged-*")):  # in a place that no question and no pass has met yet
            owner.rebuild()
            assert repr(answers(owner)) == whole[1]
    finally:
        owner.stop()
    if problem:
        assert problem.startswith("faultline.duckdb is damaged (")
        assert "\n" not in problem
    assert examined(file) == ""


def test_a_server_answers_from_what_it_has_made_again_so_far(whole: tuple[Path, str], data: Path) -> None:
    harmed(data / "faultline.duckdb", CUTS - 2)
    owner = IndexOwner(data)
    owner.start()
    try:
        for row in owner.store.runs():
            assert owner.store.show(row["run"])["run"] == row["run"]
        owner.catch_up()
        assert repr(answers(owner)) == whole[1]
    finally:
        owner.stop()


def test_only_the_newest_damaged_files_are_kept(data: Path) -> None:
    file = data / "faultline.duckdb"
    for number in range(KEPT + 3):
        file.write_text(str(number))
        os.utime(move_aside(file), ns=(number, number))
    assert sorted(one.read_text() for one in data.glob("*.damaged-*")) == [str(n) for n in (KEPT + 1, KEPT + 2)]
