"""Files of runs changed at random (bits, cuts, types, links, FIFOs, directories): a healthy run beside them starts, ends and is drawn."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from engine.runs.ending import STATUSES
from engine.runs.folder import RunFolder, all_runs
from engine.scheduler.local import Local
from engine.scheduler.queue import QueueOrder
from engine.scheduler.supervisor import Supervisor
from engine.server.routes import take_snapshot
from engine.server.service import Service
from tests.faults.test_kill_worker import WORKER, queue, until
from tests.support.made_runs import finished_run

A_FOLDER = 100  # mutations, each in a folder of its own
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    10**400,
    "",
    "x" * 5000,
    "\x00",
    "<b>",
    "../..",
    [],
    [[]],
    {},
    {"is": {}},
    "é",
    -(10**30),
)

Change = Callable[[random.Random, Path], object]


def a_bit(draw: random.Random, path: Path) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def a_cut(draw: random.Random, path: Path) -> None:
    os.truncate(path, draw.randrange(path.stat().st_size + 1))


def a_splice(draw: random.Random, path: Path) -> None:
    content, at = path.read_bytes(), draw.randrange(path.stat().st_size + 1)
    path.write_bytes(content[:at] + draw.randbytes(draw.randrange(1, 400)) + content[at:])


def a_repeat(draw: random.Random, path: Path) -> None:
    path.write_bytes(path.read_bytes() * draw.randrange(2, 5))


def a_value(draw: random.Random, path: Path) -> None:
    """Another type somewhere in a JSON file, a key that is gone, or one value deeper than anybody needs."""
    try:
        document = json.loads(path.read_text())
    except ValueError:
        a_bit(draw, path)
        return
    places = [(document, key) for key in document] + [
        (inner, key) for inner in document.values() if isinstance(inner, dict) for key in inner
    ]
    holder, key = draw.choice(places)
    what = draw.randrange(4)
    if what == 0:
        del holder[key]
    elif what == 1:
        for _ in range(200):
            holder[key] = {"is": holder.get(key)}
    else:
        holder[key] = draw.choice(VALUES)
    path.write_text(json.dumps(document))


def instead(make: Callable[[Path], object]) -> Change:
    """The file gives way to something that is no file."""
    return lambda draw, path: (path.unlink(), make(path))


CHANGES: tuple[Change, ...] = (
    *(a_bit, a_cut, a_splice, a_repeat, *[a_value] * 4),
    *(
        instead(Path.mkdir),
        instead(os.mkfifo),
        instead(lambda path: path.symlink_to("/dev/zero")),
        instead(lambda path: path.symlink_to(".")),
    ),
    lambda draw, path: path.unlink(),
)


def changed(draw: random.Random, made: RunFolder) -> str:
    """One file of a copy of this run changed -> what was done."""
    copy = made.path.with_name(f"{made.run[:-4]}{len(os.listdir(made.path.parent)):04x}")
    shutil.copytree(made.path, copy)
    if draw.random() < 0.5:  # one that waits in the queue
        for name in ("exit.json", "proc.json", "state.json"):
            (copy / name).unlink()
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    path, change = draw.choice(files), draw.choice(CHANGES)
    change(draw, path)
    return f"{copy.name}: {path.relative_to(copy)} by {getattr(change, '__name__', 'another kind')}"


@pytest.fixture
def made(tmp_path: Path) -> RunFolder:
    folder = finished_run(tmp_path, steps=20).folder
    (folder.path / "proc.json").write_text(json.dumps({"pid": 2**22 + 1, "created": 1.0, "ticks": 1, "boot": "another"}))
    (folder.path / "exit.1.json").write_text('{"status": "stopped"}')
    for name in ("STOP", "HOLD", "claim"):
        (folder.path / name).touch()
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Service]:
    """Its passes are made by the test."""
    found = Service(tmp_path, Local(WORKER))
    yield found
    found.supervisor.close()
    found.owner.stop()


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 20))])
def test_a_healthy_run_beside_files_changed_at_random(
    tmp_path: Path, made: RunFolder, lab: Service, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    draw = random.Random(seed)
    done = [changed(draw, made) for _ in range(A_FOLDER)]
    (tmp_path / "queue.json").write_text(json.dumps({"order": draw.choice(VALUES[:8]), "paused": [draw.choice([1, None, "x"])]}))
    healthy = queue(tmp_path, behave="finish", steps=30)
    before, began = resident(), time.process_time()
    supervisor, owner = Supervisor(tmp_path, Local(WORKER), cores=2, gpus=[]), lab.owner
    try:
        until(lambda: healthy.status() == "finished", supervisor.step, seconds=300)
        owner.catch_up()
        drawn = take_snapshot(lab, QueryParams([("run", healthy.run), ("series", "loss/train")]))
        assert drawn["state"]["status"] == "finished"
        assert drawn["series"]["loss/train"]["steps"] == list(range(30)), done
        for folder in all_runs(tmp_path):
            assert folder.status() in STATUSES, done
            json.dumps(take_snapshot(lab, QueryParams([("run", folder.run), ("series", "loss/train")])))
            json.dumps(lab.store.show(folder.run))
        QueueOrder(tmp_path).waiting()
    finally:
        supervisor.close()
    assert resident() - before < 100e6
    assert time.process_time() - began < 60, "CPU-seconds of this process for a hundred folders"
    assert not [record for record in caplog.records if record.exc_info], "no traceback reaches the console"
