"""What the owner tells its listeners after each committed pass: new points, vectors, events and states, run by run.

Large tables and samples (vectors of more than one dimension) stay at home: a live trace has no use for them.  A small one moves a drawing,
which stands at the newest reading: of such a one the newest row of a pass is told.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from engine.core.nonfinite import jsonable
from engine.index.batch import ColumnBlock, IngestBatch
from engine.index.downsample import POINTS, ROWS, by_step, thin, thin_rows
from engine.index.follower import Follower, state_of
from engine.runs.series import series_key

Message = dict[str, Any]

SMALL = 512  # values of a table that is told

log = logging.getLogger("faultline")


class Listeners:
    """Who wants to hear of which runs, and what they have heard of each.  Callbacks come from the owner's thread and must be quick."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[str, dict[int, Callable[[Message], None]]] = {}  # run -> who hears of it; a run without one is not there
        self._states: dict[str, dict[str, Any]] = {}  # run -> its state as they have it, while anybody listens
        self._numbers = itertools.count()

    def add(self, runs: Iterable[str], callback: Callable[[Message], None]) -> Callable[[], None]:
        """-> what to call to hear no more."""
        runs = frozenset(runs)
        with self._lock:
            number = next(self._numbers)
            for run in runs:
                self._callbacks.setdefault(run, {})[number] = callback

        def unsubscribe() -> None:
            self._drop(number, runs)

        return unsubscribe

    def runs(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._callbacks)

    def publish(self, follower: Follower, batch: IngestBatch) -> None:
        """Tell what one committed pass brought of one run, if anybody listens to it and does not have it yet."""
        run = follower.folder.run
        with self._lock:
            wanted, known = run in self._callbacks, self._states.get(run)
        if wanted and (message := message_of(follower, batch, known)):
            self.tell(message)

    def tell(self, message: Message) -> None:
        """Hand one message round; a listener that fails is dropped, with a line in the log."""
        run = message["run"]
        with self._lock:
            concerned = list(self._callbacks.get(run, {}).items())
            if concerned and "state" in message:
                self._states[run] = message["state"]
        for number, callback in concerned:
            try:
                callback(message)
            except Exception:
                log.exception("a listener failed and is dropped")
                self._drop(number, self.runs())

    def _drop(self, number: int, runs: Iterable[str]) -> None:
        with self._lock:
            for run in runs:
                left = self._callbacks.get(run, {})
                left.pop(number, None)
                if not left:
                    self._callbacks.pop(run, None)
                    self._states.pop(run, None)


def message_of(follower: Follower, batch: IngestBatch, known: Mapping[str, Any] | None) -> Message | None:
    """What one pass brought of one run, or None when nothing did.  `known`: its state as subscribers have it."""
    mine = [block for block in batch.points.values() if block.run_id == follower.run_id]
    message: Message = {"run": follower.folder.run, "points": _points(mine)}
    rows = [block for block in batch.vectors.values() if block.run_id == follower.run_id]
    message["vectors"] = _vectors([block for block in rows if len(block.series[0].shape) < 2])
    tables = [block for block in rows if len(block.series[0].shape) > 1 and math.prod(block.series[0].shape) <= SMALL]
    message["vectors"] |= _vectors(tables, newest=True)  # larger ones are drawn from what is stored
    message["events"] = [
        {k: jsonable(v) for k, v in data.items() if k != "t"} for run_id, data in batch.events if run_id == follower.run_id
    ]
    state = state_of(follower.row, follower.state)
    if state != known:
        message["state"] = state
    if follower.reset is not None:
        message["reset"] = follower.reset
    news = message["points"] or message["vectors"] or message["events"] or "state" in message or "reset" in message
    return message if news else None


def _points(blocks: list[ColumnBlock]) -> dict[str, dict[str, list]]:
    """By key of the series; values that are not finite stand as words at their step."""
    parts: dict[str, list[tuple[list[int], list[float], np.ndarray]]] = {}
    for block in blocks:
        if block.steps:
            values = np.array(block.values, np.float64).reshape(len(block.steps), len(block.series))
            for column, series in enumerate(block.series):
                parts.setdefault(series_key(series.name, series.layer), []).append((block.steps, block.ts, values[:, column]))
    return {key: _drawn(found) for key, found in parts.items()}


def _drawn(parts: list[tuple[list[int], list[float], np.ndarray]]) -> dict[str, list]:
    """One series, in the order of steps when it comes in several schemas, as a snapshot of the same points would draw it."""
    if len(parts) == 1 and len(parts[0][0]) <= POINTS:  # nearly always
        steps, ts, values = parts[0]
        return {"steps": list(steps), "t": list(ts), "values": [jsonable(v) for v in values.tolist()]}
    at, t, v = (np.concatenate([np.asarray(part[i]) for part in parts]) for i in range(3))
    order = by_step(at, t)
    at, t, v = at[order], t[order], v[order]
    rows = np.sort(np.concatenate(thin(at, v, POINTS, (int(at[0]), int(at[-1])))))
    return {"steps": at[rows].tolist(), "t": t[rows].tolist(), "values": [jsonable(x) for x in v[rows].tolist()]}


def _vectors(blocks: list[ColumnBlock], *, newest: bool = False) -> dict[str, dict[str, list]]:
    """The same of vectors; with `newest` the last row of each alone."""
    found: dict[str, list[tuple[int, float, tuple[float, ...]]]] = {}
    for block in blocks:
        if block.steps:
            key = series_key(block.series[0].name, block.series[0].layer)
            found.setdefault(key, []).extend(zip(block.steps, block.ts, block.values, strict=True))
    out = {}
    for key, rows in found.items():
        rows.sort(key=lambda row: row[:2])
        kept = rows[-1:] if newest else [rows[i] for i in thin_rows([row[0] for row in rows], [row[2] for row in rows], ROWS)]
        out[key] = {"steps": [row[0] for row in kept], "t": [row[1] for row in kept], "v": [[jsonable(x) for x in row[2]] for row in kept]}
    return out
