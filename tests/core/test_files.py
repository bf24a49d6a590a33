"""One way to write a file as a whole, and nobody goes round it."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from engine.core.files import replace, write_json
from engine.core.paths import ROOT

RENAMES = {  # these move what is already written
    "engine/core/files.py",
    "engine/index/connection.py",  # a damaged index is moved aside
    "engine/runs/folder.py",  # the folder of a new run, once it holds its declaration
    "engine/scheduler/control.py",  # the end of an attempt that is resumed, the folder of a run that is deleted
}


@pytest.mark.parametrize("alone", [False, True])
def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path, alone: bool) -> None:
    path = tmp_path / "thing"
    path.write_text("old")

    def write(beside: Path) -> None:
        assert beside.parent == tmp_path
        assert beside.name.startswith(".")
        beside.write_text("new")
        assert path.read_text() == "old"

    replace(path, write, alone=alone)
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["thing"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("nonsense"), KeyboardInterrupt()])
def test_when_writing_fails_the_old_file_stays_alone_and_the_error_passes_through(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "thing"
    path.write_text("old")

    def write(beside: Path) -> None:
        beside.write_text("half")
        raise error

    with pytest.raises(type(error)) as raised:
        replace(path, write)
    assert raised.value is error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["thing"]


def test_what_a_kill_left_is_overwritten_by_the_only_writer(tmp_path: Path) -> None:
    (tmp_path / ".thing.part").write_text("half")
    replace(tmp_path / "thing", lambda beside: beside.write_text("whole"), alone=True)
    assert os.listdir(tmp_path) == ["thing"]


def test_json_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "thing.json", {"value": float("nan")})
    assert os.listdir(tmp_path) == []


def test_nobody_else_renames_a_file_that_it_wrote() -> None:
    found = set()
    for path in [*(ROOT / "engine").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.replace", "os.rename", "shutil.move"):
                found.add(path.relative_to(ROOT).as_posix())
            if isinstance(node, ast.ImportFrom) and node.module == "os" and {"replace", "rename"} & {name.name for name in node.names}:
                found.add(path.relative_to(ROOT).as_posix())
    assert found == RENAMES, f"write with engine.core.files.replace: {sorted(found ^ RENAMES)}"
