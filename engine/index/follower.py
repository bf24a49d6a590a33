"""Following one run: what its folder says now, and what its spools brought since the last look."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.core.nonfinite import jsonable
from engine.declare.knobs import unnest
from engine.index.batch import LAST, IngestBatch
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, last_of
from engine.runs.spool import OPEN
from engine.runs.spool_reader import Frame, SpoolReader
from engine.runs.watch import SETTLED, settled

SPOOL = re.compile(r"^spool\.(\d+)\.bin$")
PULSE = 1.0  # seconds between two looks at a process
MOST = 8 * 2**20  # bytes of one spool in one look

Row = dict[str, Any]


def first_row(folder: RunFolder) -> Row | None:
    """The row of a run in `store.run` as its declaration gives it, or None while it has none."""
    spec, unreadable = folder.spec(), folder.unreadable()
    if spec is None:
        return None
    knobs = unnest(spec["knobs"])  # a declaration that can be read holds nothing odd (engine/runs/formats.py)
    row: Row = {
        "run": folder.run,
        "status": "unreadable" if unreadable else "queued",
        "problem": unreadable,
        "knobs": json.dumps({k: jsonable(v) for k, v in knobs.items()}),
        "sorted": bool(unreadable),  # nothing of it is read
    }
    row |= {name: str(spec.get(name) or "") for name in ("lab", "preset", "who", "sweep", "twin")}
    row |= {"target": count(knobs.get("steps")), "seed": count(knobs.get("seed")), "steps": 0, "dropped": 0}
    created = spec.get("created")
    return row | {"created": None if created is None else float(created), "loss_train": None, "loss_validation": None, "folder_time": None}


def count(thing: Any) -> int | None:
    """A whole number that a table can hold, or None for what a broken file may say."""
    return thing if isinstance(thing, int) and abs(thing) < 2**63 else None


def state_of(row: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """What a page shows of a run beside its curves: the index row, and from state.json what changes as it goes."""
    moving = {name: state.get(name) for name in ("phase", "step_seconds", "attempt", "probe_share")}
    told = {"status": row["status"], "step": row["steps"], "steps": state.get("steps") or row["target"]}
    return {**told, **moving, "dropped": row["dropped"], "problem": row["problem"]}


def listed(row: Row) -> dict[str, Any]:
    """What `runs --json` says of a run, of its row in the index."""
    train, validation = row["loss_train"], row["loss_validation"]
    last = {} if train is None else {"loss/train": jsonable(train)}
    if validation is not None:
        last["loss/validation"] = jsonable(validation)
    return {
        "run": row["run"],
        "lab": row["lab"],
        "preset": row["preset"] or None,
        "status": row["status"],
        "steps": row["steps"],
        "created": row["created"],
        "seed": row["seed"],
        "who": row["who"],
        "sweep": row["sweep"] or None,
        "last": last,
        "target": row["target"],
        "twin": row["twin"] or None,
    }


class Follower:
    """A run that has not ended, or whose end is not yet in the index.

    `row` is what the index should say of it and `offsets` (bytes by attempt) how far its spools are
    read.  A look costs two `stat`s while nothing happens.  After it, `ended` is true when the run is
    over and every frame is read, `more` when it has more to read at once, `reset` the step at which a
    new attempt began, `gone` when the folder was deleted, and `misread` when a spool is shorter than
    what was once read of it.
    """

    def __init__(self, folder: RunFolder, run_id: int, row: Row, offsets: Mapping[int, int]) -> None:
        self.folder, self.run_id, self.row, self.offsets = folder, run_id, row, dict(offsets)
        self.ended = self.more = self.gone = self.misread = False
        self.reset: int | None = None
        self.state: dict[str, Any] = {}
        self._last: dict[str, int] = {}  # step and dropped, as exit.json says them
        self.saved: Row | None = None  # the row as the index has it
        self.saved_offsets = dict(offsets)
        self.offset_rows = 0
        self.changed = 0.0  # modification time of its folder when its names were listed last
        self._names: frozenset[str] = frozenset()
        self._state_mark: tuple[int, int] | None = None
        self._tail: tuple[int, SpoolReader] | None = None
        self._sealed = set(sorted(self.offsets)[:-1])
        self._pulse, self._status = float("-inf"), "running"
        self._torn = ("", 0.0)

    def advance(self, batch: IngestBatch, collect_exit: Callable[[RunFolder], None]) -> int:
        """Read what is new into `batch` -> how many bytes.  `collect_exit` is called for a worker that died without a word."""
        self.more, self.reset = False, None
        if self.row["status"] == "unreadable":
            self.ended = True
            return 0
        before = sum(self.offsets.values())
        try:
            self._list()
            status = self._look_at_status(collect_exit)
        except (FileNotFoundError, NotADirectoryError):
            self.gone = True
            return 0
        self._read_state()
        if "step" in self._last:  # a full disk may have kept both out of state.json
            self.row |= {"steps": self._last["step"], "dropped": self._last.get("dropped", self.row["dropped"])}
        problem = self._read_spools(batch)
        self._report(problem, over=status in ENDED)
        self.row.update(batch.last(self.run_id))
        self.ended = "exit.json" in self._names and not self.more
        read = sum(self.offsets.values()) - before
        if read:
            self.row["sorted"] = False
        if not self.more:  # a run is shown as ended when everything it told is in the index
            self.row["status"] = status
        return read

    def can_be_left(self) -> bool:
        """Nothing is left to do, and its folder's modification time would show a change."""
        return self.ended and self.row["sorted"] and settled(self.changed)

    def _list(self) -> None:
        changed = os.stat(self.folder.path).st_mtime
        if changed != self.changed or not settled(changed):
            self._names, self.changed = frozenset(os.listdir(self.folder.path)), changed

    def _look_at_status(self, collect_exit: Callable[[RunFolder], None]) -> str:
        if "exit.json" not in self._names:
            if "proc.json" not in self._names:
                return "queued"
            if time.monotonic() - self._pulse >= PULSE:
                self._pulse, self._status = time.monotonic(), self.folder.status()
                if self._status == "lost" and self.folder.exit() is None:
                    collect_exit(self.folder)
                self._list()
        if "exit.json" in self._names:
            end = self.folder.exit() or {"status": "lost"}
            self._last = last_of(end)
            return str(end["status"])
        return "held" if "HOLD" in self._names and self._status == "running" else self._status

    def _read_state(self) -> None:
        if "state.json" in self._names:
            try:
                found = os.stat(self.folder.path / "state.json")
            except FileNotFoundError:
                return
            mark = (found.st_mtime_ns, found.st_ino)
            if mark != self._state_mark:
                self._state_mark, self.state = mark, self.folder.state()
                self.row["steps"] = count(self.state.get("step")) or 0
                self.row["dropped"] = count(self.state.get("dropped")) or 0

    def _read_spools(self, batch: IngestBatch) -> str:
        """-> the sentence of the first spool that does not read to its end, or nothing."""
        problem = ""
        attempts = sorted(int(found[1]) for found in map(SPOOL.match, self._names) if found)
        for attempt in attempts:
            if attempt in self._sealed:
                continue
            problem = self._read(attempt, batch) or problem
            if self.more:
                break  # a later attempt supersedes what this one still has to tell
            if attempt != attempts[-1]:
                self._sealed.add(attempt)  # its writer was gone before the next attempt began
        return problem

    def _read(self, attempt: int, batch: IngestBatch) -> str:
        path, offset = self.folder.path / f"spool.{attempt}.bin", self.offsets.get(attempt, 0)
        try:
            size = os.stat(path).st_size
        except FileNotFoundError:  # pruned after it was read: the index keeps what it has
            return ""
        if size == offset:
            return ""
        try:
            if size < offset:
                raise ValueError(f"{path.name} is shorter than what was read of it.")
            if self._tail is None or self._tail[0] != attempt:
                self._tail = (attempt, SpoolReader(path, offset))
            tail = self._tail[1]
            for frame in tail.read(MOST):
                self._take(attempt, frame, batch)
        except ValueError:
            self.misread = True
            return ""
        except OSError as error:
            return f"{path.name} cannot be read: {error.strerror}."
        self.offsets[attempt] = tail.offset
        self.more = offset < tail.offset < size and not tail.problem
        return tail.problem

    def _take(self, attempt: int, frame: Frame, batch: IngestBatch) -> None:
        if frame.kind != OPEN or frame.data is None:
            batch.add(self.run_id, frame)
            return
        start = frame.data["start"]
        if attempt == 1 and start <= 0:
            return
        batch.supersede(self.run_id, start)
        self.row.update(dict.fromkeys(LAST.values()))
        self.reset = start if self.reset is None else min(start, self.reset)

    def _report(self, problem: str, *, over: bool) -> None:
        """A torn tail of a living run is usually a frame being written; it is worth a word when it stays."""
        if problem != self._torn[0]:
            self._torn = (problem, time.monotonic())
        if not problem or over or time.monotonic() - self._torn[1] > SETTLED:
            self.row["problem"] = problem
