"""Channels: what the owner publishes about one run, coalesced, and encoded once for all browsers that follow it.

    event: delta    data: one message of the owner (several of the same run merged into one)
    event: resync   data: {"runs": […]}   the browser was too slow and must fetch /snapshot again

A run has one channel while anybody follows it, and a channel one subscription to the index.  It hands the same bytes to every
browser's mailbox, from which engine/server/event_stream.py sends.  Both are bounded: the channel in values, the mailbox in bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

COALESCE = 0.2  # seconds
MOST_WAITING = 50_000  # values of one run that may wait to be encoded; beyond it its browsers are told to start afresh
MOST_BYTES = 2**20  # that may wait for one browser; beyond it, it is told to start afresh

Message = dict[str, Any]
Unsubscribe = Callable[[], None]
Subscribe = Callable[[set[str], Callable[[Message], None]], Unsubscribe]


class Pending:
    """What waits to be encoded of one run: messages merged into one."""

    def __init__(self, run: str, most: int = MOST_WAITING) -> None:
        self.run, self.most, self.values = run, most, 0
        self.message: Message | None = None
        self.overflowed = False

    def add(self, message: Mapping[str, Any]) -> None:
        if self.overflowed:
            return
        if self.message is None:
            self.message = {"run": self.run}
        self.values -= _size(self.message)
        _merge(self.message, message)
        self.values += _size(self.message)
        if self.values > self.most:
            self.message, self.values, self.overflowed = None, 0, True

    def frame(self) -> bytes:
        """The frame to send now."""
        return resync([self.run]) if self.overflowed else _frame("delta", self.message)


def resync(runs: Iterable[str]) -> bytes:
    """The frame that tells a browser to fetch the snapshots of these runs again."""
    return _frame("resync", {"runs": sorted(runs)})


class Mailbox:
    """The frames that wait for one browser, by run.  `wake` is set when there is something to do; `over` ends the stream."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most, self.bytes = most, 0
        self.frames: list[tuple[str, bytes]] = []
        self.overflowed: set[str] = set()
        self.wake, self.over = asyncio.Event(), False

    def put(self, run: str, frame: bytes) -> None:
        """A single frame always finds room, however large it is."""
        if run not in self.overflowed:
            self.frames.append((run, frame))
            self.bytes += len(frame)
            if self.bytes > self.most and len(self.frames) > 1:
                self.overflowed |= {one for one, _ in self.frames if one}
                self.frames, self.bytes = [], 0
        self.wake.set()

    def take(self) -> bytes:
        """What to send now; afterwards nothing waits."""
        late = resync(self.overflowed) if self.overflowed else b""
        waiting = self.frames
        self.frames, self.bytes, self.overflowed = [], 0, set()
        self.wake.clear()
        if not late and len(waiting) == 1:
            return waiting[0][1]  # the very bytes that all have
        return late + b"".join([frame for _, frame in waiting])

    def end(self) -> None:
        self.over = True
        self.wake.set()


class Channel:
    """One run, for the mailboxes of one event loop.  `subscribed` is done once the index tells it what is new."""

    def __init__(self, run: str, subscribe: Subscribe) -> None:
        self.run, self.mailboxes = run, set[Mailbox]()
        self._loop = asyncio.get_running_loop()
        self._lock, self._pending, self._due = threading.Lock(), Pending(run), False
        self._sent_at = float("-inf")
        # in a thread: an index that holds only what is asked for first reads the run
        self.subscribed: asyncio.Task[Unsubscribe] = self._loop.create_task(asyncio.to_thread(subscribe, {run}, self._publish))

    def close(self) -> None:
        def unsubscribe(task: asyncio.Task[Unsubscribe]) -> None:
            if not task.cancelled() and task.exception() is None:
                task.result()()

        if self.subscribed.done():
            unsubscribe(self.subscribed)
        else:
            self.subscribed.add_done_callback(unsubscribe)

    def _publish(self, message: Message) -> None:
        """In the owner's thread; the loop hears of the first message only."""
        with self._lock:
            self._pending.add(message)
            first, self._due = not self._due, True
        if first:
            with contextlib.suppress(RuntimeError):  # the loop closed between two messages
                self._loop.call_soon_threadsafe(self._schedule)

    def _schedule(self) -> None:
        self._loop.call_at(max(self._loop.time(), self._sent_at + COALESCE), self._flush)

    def _flush(self) -> None:
        with self._lock:
            pending, self._pending, self._due = self._pending, Pending(self.run), False
        self._sent_at = self._loop.time()
        if self.mailboxes:
            frame = pending.frame()
            for mailbox in self.mailboxes:
                mailbox.put(self.run, frame)


class Channels:
    """The channels that somebody follows."""

    def __init__(self) -> None:
        self._open: dict[tuple[asyncio.AbstractEventLoop, Subscribe, str], Channel] = {}

    async def follow(self, subscribe: Subscribe, runs: Iterable[str], mailbox: Mailbox) -> None:
        """From here on the mailbox gets what is new about these runs, until `leave`."""
        loop, joined = asyncio.get_running_loop(), []
        for run in runs:
            channel = self._open.get((loop, subscribe, run))
            if channel is None:
                channel = self._open[loop, subscribe, run] = Channel(run, subscribe)
            channel.mailboxes.add(mailbox)
            joined.append(channel)
        for channel in joined:
            await asyncio.shield(channel.subscribed)  # others wait for the same

    def leave(self, subscribe: Subscribe, runs: Iterable[str], mailbox: Mailbox) -> None:
        for key in [(asyncio.get_running_loop(), subscribe, run) for run in runs]:
            channel = self._open.get(key)
            if channel is not None:
                channel.mailboxes.discard(mailbox)
                if not channel.mailboxes:
                    del self._open[key]
                    channel.close()


def _merge(into: Message, new: Mapping[str, Any]) -> None:
    reset = new.get("reset")
    if reset is not None:  # a new attempt: what waits from the old one at these steps is superseded
        for kind, column in (("points", "values"), ("vectors", "v")):
            for series in into.get(kind, {}).values():
                keep = [i for i, step in enumerate(series["steps"]) if step < reset]
                for name in ("steps", "t", column):
                    series[name] = [series[name][i] for i in keep]
        into["events"] = [e for e in into.get("events", []) if e["step"] < reset]
        into["reset"] = min(reset, into.get("reset", reset))
    for kind, column in (("points", "values"), ("vectors", "v")):
        for name, series in (new.get(kind) or {}).items():
            ours = into.setdefault(kind, {}).setdefault(name, {"steps": [], "t": [], column: []})
            for part in ("steps", "t", column):
                ours[part].extend(series[part])
    into.setdefault("events", []).extend(new.get("events") or [])
    if new.get("state"):
        into["state"] = new["state"]


def _size(message: Mapping[str, Any]) -> int:
    scalars = sum(len(s["steps"]) for s in message.get("points", {}).values())
    vectors = sum(len(row) for s in message.get("vectors", {}).values() for row in s["v"])
    return scalars + vectors + len(message.get("events", ()))


def _frame(event: str, data: Any) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'), allow_nan=False)}\n\n".encode()
