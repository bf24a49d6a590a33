"""One watcher of the folder of runs: cheap while nothing happens, and it misses nothing that does."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from engine.core.paths import ROOT
from engine.runs import watch as module
from engine.runs.watch import SETTLED, SWEEP, RunsWatch, Seen, settled

ONE, TWO = "20250101-120000-moe-aaaa", "20250101-120001-moe-bbbb"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for run in (ONE, TWO):
        (tmp_path / run).mkdir()
        os.utime(tmp_path / run, (1000, 1000))
    (tmp_path / "notes").mkdir()
    os.utime(tmp_path, (1000, 1000))
    return tmp_path


def who(seen: Seen | None) -> tuple[set[str], set[str]] | None:
    """-> (who is there, who is awake)."""
    return None if seen is None else (set(seen.present), set(seen.awake))


def test_a_watcher_goes_on_where_another_left_off(runs: Path) -> None:
    assert who(RunsWatch(runs, {ONE: 1000.0, TWO: 999.0}).scan()) == ({ONE, TWO}, {TWO}), "what has changed meanwhile is awake"


def test_who_is_new_and_who_is_gone(runs: Path) -> None:
    watch = RunsWatch(runs)
    assert who(watch.scan()) == ({ONE, TWO}, {ONE, TWO})
    assert watch.scan() is None, "nothing happened"
    (runs / TWO).rmdir()
    assert who(watch.scan()) == ({ONE}, {ONE})
    assert watch.scan() is not None, "the folder has just changed, and may have changed once more"


def test_a_run_that_was_left_alone_awakes_when_its_folder_changes(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RunsWatch(runs)
    watch.scan()
    assert watch.leave(ONE)
    os.utime(runs)
    assert who(watch.scan()) == ({ONE, TWO}, {TWO})
    (runs / ONE / "HOLD").touch()  # the parent's time stays
    os.utime(runs, (1000, 1000))
    watch.scan()
    assert not watch.leave(ONE), "too young to be trusted"
    os.utime(runs / ONE, (2000, 2000))
    now = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + SWEEP + 1)
    assert who(watch.scan()) == ({ONE, TWO}, {ONE, TWO})


def test_while_nothing_happens_a_look_is_one_stat(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = RunsWatch(runs)
    watch.scan()
    stat_calls: list[str] = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: (stat_calls.append(str(path)), stat(path, **how))[1])
    monkeypatch.setattr(os, "scandir", lambda path: pytest.fail("listed for nothing"))
    assert watch.scan() is None
    assert stat_calls == [str(runs)]


def test_a_run_that_is_gone_cannot_be_left(runs: Path) -> None:
    assert not RunsWatch(runs).leave("20250101-120002-moe-cccc")
    with pytest.raises(FileNotFoundError):
        RunsWatch(runs / "nothing").scan()


def test_a_clock_that_was_set_back_keeps_nobody_busy() -> None:
    assert [settled(time.time() + s) for s in (-3600.0, -SETTLED / 2, SETTLED / 2, 3600.0)] == [True, False, False, True]


def test_nobody_else_says_when_a_folder_has_settled() -> None:
    tells = re.compile(r"^(SETTLED|SWEEP)\b.*=", re.MULTILINE)
    found = [p.relative_to(ROOT).as_posix() for p in (ROOT / "engine").rglob("*.py") if tells.search(p.read_text())]
    assert found == ["engine/runs/watch.py"]
