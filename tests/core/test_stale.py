"""A server says when the code it has in memory is no longer the code on disk."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

from engine.core.paths import ROOT
from engine.core.stale import ENGINE, changed_since


def test_only_what_was_imported_and_changed_later_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "stale_house"
    package.mkdir()
    for name in ("__init__", "kept", "edited", "gone", "unread"):
        (package / f"{name}.py").write_text("")
        os.utime(package / f"{name}.py", (1000, 1000))
    monkeypatch.syspath_prepend(str(tmp_path))
    names = [f"stale_house.{name}" for name in ("kept", "edited", "gone")]
    for name in names:
        importlib.import_module(name)
    assert changed_since(1000, package) == []
    for name in ("edited", "unread"):
        os.utime(package / f"{name}.py", (2000, 2000))
    (package / "gone.py").unlink()
    assert changed_since(1500, package) == ["stale_house/edited.py", "stale_house/gone.py"]
    for name in [*names, "stale_house"]:
        del sys.modules[name]


ROOMS = sorted(folder.name for folder in (ROOT / "engine").iterdir() if (folder / "__init__.py").exists())


@pytest.mark.parametrize("room", ROOMS)
def test_a_touched_file_of_every_room_is_seen(room: str) -> None:
    door = importlib.import_module(f"engine.{room}")
    assert f"engine/{room}/__init__.py" in changed_since(0.0)
    assert Path(str(door.__file__)).is_relative_to(ENGINE)
