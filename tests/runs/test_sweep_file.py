"""The file of a sweep: what is written is read, and whatever else stands in it is one sentence, never another exception."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.runs.folder import RunFolder, new_run, reserve
from engine.runs.sweep_file import (
    Axis,
    Member,
    Sweep,
    SweepUnreadable,
    member_runs,
    new_id,
    read_sweep,
    remove_sweep,
    sweep_ids,
    write_sweep,
)
from tests.faults.test_fuzz_folders import CHANGES

KNOBS = {"seed": 0, "threads": 1, "steps": 9, "router": {"is": "loss_free", "k": 1}}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    members = tuple(
        Member(f"{n:064x}", {**KNOBS, "seed": n, "router": {"is": "hash"} if n > 1 else KNOBS["router"]}, "c0de") for n in range(4)
    )
    made = Sweep(
        id=new_id(tmp_path, "moe"),
        lab="moe",
        edition=3,
        preset="collapse",
        base={"steps": 9},
        axes=(Axis("router", ("loss_free", "hash")), Axis("lr", (1e-3, 1e-2))),
        seeds=(0, 1),
        members=members,
        created=time.time(),
        who="ann",
        search={"random": 4},
        reused={members[3].identity: "20260101-000000-moe-abcd"},
    )
    write_sweep(tmp_path, made)
    return made


def file(data: Path, sweep: Sweep) -> Path:
    return data / "sweeps" / f"{sweep.id}.json"


def test_what_is_written_is_read(tmp_path: Path, sweep: Sweep) -> None:
    assert read_sweep(tmp_path, sweep.id) == sweep
    assert sweep_ids(tmp_path) == [sweep.id]
    remove_sweep(tmp_path, sweep.id)
    assert sweep_ids(tmp_path) == []
    with pytest.raises(KeyError, match="No sweep"):
        read_sweep(tmp_path, sweep.id)


@pytest.mark.parametrize("name", ["", "x", "../token", "s20260101-000000-moe-abcd/..", "s20260101-000000-moe-abcd\n"])
def test_a_name_that_is_no_id_is_no_sweep(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyError):
        read_sweep(tmp_path, name)


def test_members_have_the_run_that_names_them_or_the_one_that_was_there(tmp_path: Path, sweep: Sweep) -> None:
    def made(identity: str, by: str | None) -> str:
        spec = {"preset": None, "knobs": KNOBS, "who": "ann", "twin": None, "sweep": by, "identity": identity}
        return new_run(tmp_path, "moe", spec).run

    ids = [member.identity for member in sweep.members]
    own, _ = made(ids[1], sweep.id), made(ids[0], None)
    assert member_runs(tmp_path, sweep) == {ids[0]: None, ids[1]: own, ids[2]: None, ids[3]: None}, "a reused run that is gone is none"
    (tmp_path / "runs" / "20260101-000000-moe-abcd").mkdir()
    (tmp_path / "runs" / "20260101-000000-moe-abcd" / "spec.json").write_text(json.dumps({"lab": "moe", "knobs": {}}))
    assert member_runs(tmp_path, sweep)[ids[3]] == "20260101-000000-moe-abcd"


def test_declarations_are_read_once_however_often_the_members_are_looked_up(
    tmp_path: Path, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    spec = RunFolder.spec
    monkeypatch.setattr(RunFolder, "spec", lambda self: reads.append(self.path) or spec(self))

    def made(lab: str, by: str | None, identity: str) -> RunFolder:
        return new_run(tmp_path, lab, {"preset": None, "knobs": KNOBS, "who": "ann", "twin": None, "sweep": by, "identity": identity})

    first, second = sweep.members[0].identity, sweep.members[1].identity
    own, others = made("moe", sweep.id, first), [made("moe", None, first) for _ in range(40)]
    made("unet", sweep.id, second)
    another = dataclasses.replace(sweep, id="s20260101-000000-moe-abcd")
    for _ in range(5):
        assert member_runs(tmp_path, sweep)[first] == own.run
        assert set(member_runs(tmp_path, another).values()) == {None}
    assert sorted(reads) == sorted(folder.path for folder in (own, *others)), "each once, and none of another lab"

    reserved = reserve(tmp_path, "moe")
    assert member_runs(tmp_path, sweep)[second] is None
    new_run(tmp_path, "moe", {"knobs": KNOBS, "sweep": sweep.id, "identity": second}, reserved)
    reads.clear()
    assert member_runs(tmp_path, sweep)[second] == reserved.run, "a folder that had no declaration yet is opened again"
    shutil.rmtree(own.path)
    assert member_runs(tmp_path, sweep)[first] is None
    (reserved.path / "spec.json").unlink()
    assert member_runs(tmp_path, sweep)[second] is None
    assert reads == [reserved.path]


BAD: dict[str, dict[str, Any]] = {
    "newer format": {"format": 2},
    "no format": {"format": None},
    "format as text": {"format": "1"},
    "no members": {"members": []},
    "members as text": {"members": "abc"},
    "a member that is a number": {"members": [1, 2, 3, 4]},
    "a member with a path": {"members": ["../../etc/passwd"] * 4},
    "one member twice": {"members": ["0" * 64] * 4},
    "too many members": {"members": [f"{n:064x}" for n in range(1001)]},
    "fewer changes than members": {"changes": [{}]},
    "changes that are lists": {"changes": [[]] * 4},
    "a knob that is a list": {"changes": [{"seed": [1]}, {}, {}, {}]},
    "a question without an answer": {"knobs": {"router": {"k": 1}}},
    "no knobs": {"knobs": None},
    "threads without end": {"knobs": {**KNOBS, "threads": 10**9}},
    "a lab with a path": {"lab": "../x"},
    "who as a list": {"who": ["a"]},
    "who of a hundred thousand letters": {"who": "x" * 100_000},
    "created as text": {"created": "now"},
    "created for ever": {"created": 10**400},
    "edition as text": {"edition": "1"},
    "complete as text": {"complete": "yes"},
    "axes as an object": {"axes": {}},
    "an axis without a knob": {"axes": [{"values": [1]}]},
    "an axis with objects": {"axes": [{"knob": "lr", "values": [{}]}]},
    "seeds as text": {"seeds": ["0"]},
    "base as a list": {"base": []},
    "base with objects": {"base": {"lr": {"is": {}}}},
    "search as text": {"search": "random"},
    "reuses what is no run": {"reused": {f"{0:064x}": "../../x"}},
    "reuses for nobody": {"reused": {"f" * 64: "20260101-000000-moe-abcd"}},
    "code of one member": {"code": ["a"]},
    "code that is long": {"code": ["a" * 65] * 4},
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_sweep_holds_is_one_sentence(tmp_path: Path, sweep: Sweep, name: str) -> None:
    document = json.loads(file(tmp_path, sweep).read_text())
    file(tmp_path, sweep).write_text(json.dumps({**document, **BAD[name]}))
    with pytest.raises(SweepUnreadable) as refusal:
        read_sweep(tmp_path, sweep.id)
    assert str(refusal.value).startswith(f"The sweep {sweep.id} cannot be read: ")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.write_text("[" * 10**6)]
)
def test_what_is_no_file_is_unreadable_and_can_be_told(tmp_path: Path, sweep: Sweep, make: Callable[[Path], object]) -> None:
    file(tmp_path, sweep).unlink()
    make(file(tmp_path, sweep))
    with pytest.raises(SweepUnreadable):
        read_sweep(tmp_path, sweep.id)
    assert sweep_ids(tmp_path) == [sweep.id]


def test_files_changed_at_random_are_read_or_unreadable(tmp_path: Path, sweep: Sweep) -> None:
    read = 0
    for seed in range(300):
        write_sweep(tmp_path, sweep)
        read += _changed(tmp_path, sweep, seed)
    assert 0 < read < 300


def _changed(tmp_path: Path, sweep: Sweep, seed: int) -> bool:
    draw = random.Random(seed)
    draw.choice(CHANGES)(draw, file(tmp_path, sweep))
    try:
        found = read_sweep(tmp_path, sweep.id)
    except (SweepUnreadable, KeyError):
        path = file(tmp_path, sweep)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        return False
    member_runs(tmp_path, found)
    write_sweep(tmp_path, found)
    assert read_sweep(tmp_path, sweep.id) == found
    return True


def test_a_file_without_one_of_its_entries_is_unreadable_and_not_gone(tmp_path: Path, sweep: Sweep) -> None:
    """Without `preset` it was taken for a sweep that does not exist, so that it could not be deleted either."""
    whole = json.loads(file(tmp_path, sweep).read_text())
    for name in whole:
        file(tmp_path, sweep).write_text(json.dumps({one: value for one, value in whole.items() if one != name}))
        with pytest.raises(SweepUnreadable, match=r"cannot be read"):
            read_sweep(tmp_path, sweep.id)
