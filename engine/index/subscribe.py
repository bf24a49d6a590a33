"""What the owner tells its listeners after each committed pass: new points, vectors, events and states, run by run.

Tables and samples (vectors of more than one dimension) stay at home: a live trace has no use for them, and they are large.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from engine.core.nonfinite import jsonable
from engine.index.batch import Batch, Block
from engine.index.follower import Follower, state_of
from engine.runs.series import series_key

Message = dict[str, Any]
POINTS, ROWS = 2000, 100  # at most about this much of one series in one message; a backlog is thinned, never a spike

log = logging.getLogger("faultline")


class Listeners:
    """Who wants to hear of which runs.  Callbacks come from the owner's thread and must be quick."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[int, tuple[frozenset[str], Callable[[Message], None]]] = {}
        self._numbers = itertools.count()

    def add(self, runs: Iterable[str], callback: Callable[[Message], None]) -> Callable[[], None]:
        """-> what to call to hear no more."""
        with self._lock:
            number = next(self._numbers)
            self._callbacks[number] = (frozenset(runs), callback)

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks.pop(number, None)

        return unsubscribe

    def runs(self) -> frozenset[str]:
        with self._lock:
            return frozenset().union(*(runs for runs, _ in self._callbacks.values()))

    def tell(self, message: Message) -> None:
        """Hand one message round; a listener that fails is dropped, with a line in the log."""
        with self._lock:
            concerned = [(n, callback) for n, (runs, callback) in self._callbacks.items() if message["run"] in runs]
        for number, callback in concerned:
            try:
                callback(message)
            except Exception:
                log.exception("a listener failed and is dropped")
                with self._lock:
                    self._callbacks.pop(number, None)


def message_of(follower: Follower, batch: Batch) -> Message | None:
    """What one pass brought of one run, or None when nothing did."""
    message: Message = {"run": follower.folder.run, "points": {}, "vectors": {}, "events": []}
    for block in batch.points.values():
        if block.run_id == follower.run_id:
            values = np.array(block.values, np.float64).reshape(len(block.steps), len(block.series))
            for column, series in enumerate(block.series):
                _join(message["points"], series_key(series.name, series.layer), "values", _thin(block, values[:, column]))
    for block in batch.vectors.values():
        if block.run_id == follower.run_id and len(block.series[0].shape) < 2:  # the others are drawn again from what is stored
            stride = max(1, len(block.steps) // ROWS)
            kept = sorted({*range(0, len(block.steps), stride), len(block.steps) - 1})
            rows = ([block.steps[i] for i in kept], [block.ts[i] for i in kept], [[jsonable(v) for v in block.values[i]] for i in kept])
            _join(message["vectors"], series_key(block.series[0].name, block.series[0].layer), "v", rows)
    message["events"] = [
        {k: jsonable(v) for k, v in data.items() if k != "t"} for run_id, data in batch.events if run_id == follower.run_id
    ]
    state = state_of(follower.row, follower.state)
    if state != follower.told:
        message["state"] = follower.told = state
    if follower.reset is not None:
        message["reset"] = follower.reset
    news = message["points"] or message["vectors"] or message["events"] or "state" in message or "reset" in message
    return message if news else None


def _thin(block: Block, values: np.ndarray) -> tuple[list[int], list[float], list[Any]]:
    """A column of a block, or the extremes of its pieces and everything that is not finite when it is long."""
    steps, ts = block.steps, block.ts
    if len(steps) <= POINTS:
        return steps, ts, [jsonable(v) for v in values.tolist()]
    kept: set[int] = {0, len(steps) - 1}
    for piece in np.array_split(np.arange(len(steps)), POINTS // 4):
        here = values[piece]
        finite = np.isfinite(here)
        kept.update(piece[np.flatnonzero(~finite)[:2]].tolist())
        if finite.any():
            kept.add(int(piece[np.argmin(np.where(finite, here, np.inf))]))
            kept.add(int(piece[np.argmax(np.where(finite, here, -np.inf))]))
    order = sorted(kept)
    return [steps[i] for i in order], [ts[i] for i in order], [jsonable(v) for v in values[order].tolist()]


def _join(into: dict[str, dict[str, list]], key: str, what: str, columns: tuple[list, list, list]) -> None:
    """Add columns to a series of a message, in the order of steps when it comes in several schemas."""
    if not columns[0]:
        return
    if key not in into:
        into[key] = {"steps": list(columns[0]), "t": list(columns[1]), what: list(columns[2])}
        return
    known = into[key]
    rows = sorted(zip(known["steps"] + columns[0], known["t"] + columns[1], known[what] + columns[2], strict=True), key=lambda row: row[:2])
    known["steps"], known["t"], known[what] = (list(column) for column in zip(*rows, strict=True))
