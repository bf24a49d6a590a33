"""Server-sent events: what the owner publishes about some runs, to one browser, coalesced and bounded.

    event: delta    data: one message of the owner (several of the same run merged into one)
    event: resync   data: {"runs": […]}   the browser was too slow and must fetch /snapshot again

engine/server/routes.py answers /live with one.  A line beginning with a colon is a heartbeat.

A stream ends when the browser leaves or when the
server begins to shut down: uvicorn waits for open responses before it runs the lifespan's end, so
streams that waited for the lifespan would hold up the shutdown for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

COALESCE = 0.2  # seconds
HEARTBEAT = 10.0  # seconds
LAST_WORDS = 1.0  # seconds that a stream's end waits for a browser that does not read
MOST_WAITING = 50_000  # values that may wait for one browser; beyond it the browser is told to start afresh

Message = dict[str, Any]
Subscribe = Callable[[set[str], Callable[[Message], None]], Callable[[], None]]


class Pending:
    """What waits for one browser: at most one merged message per run."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self.most, self.values = most, 0
        self.messages: dict[str, Message] = {}
        self.overflowed: set[str] = set()

    def add(self, message: Mapping[str, Any]) -> None:
        run = message["run"]
        if run in self.overflowed:
            return
        merged = self.messages.setdefault(run, {"run": run})
        self.values -= _size(merged)
        _merge(merged, message)
        self.values += _size(merged)
        if self.values > self.most:
            self.overflowed |= set(self.messages)
            self.messages.clear()
            self.values = 0

    def drain(self) -> list[bytes]:
        """The frames to send now; afterwards nothing waits."""
        frames = [_frame("resync", {"runs": sorted(self.overflowed)})] if self.overflowed else []
        frames += [_frame("delta", message) for message in self.messages.values()]
        self.messages, self.overflowed, self.values = {}, set(), 0
        return frames


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


class Streams:
    """All open streams of one server, so that they can be ended together."""

    def __init__(self) -> None:
        self._open: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._lock = threading.Lock()
        self.ending = False

    def __len__(self) -> int:
        return len(self._open)

    @contextlib.contextmanager
    def one(self, over: asyncio.Event) -> Iterator[None]:
        entry = (asyncio.get_running_loop(), over)
        with self._lock:
            self._open.add(entry)
        if self.ending:
            over.set()
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(entry)

    def end(self) -> None:
        """Every open stream ends, and no new one begins; may be called from a signal handler."""
        self.ending = True
        for loop, over in list(self._open):
            loop.call_soon_threadsafe(over.set)

    @contextlib.contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        """While inside, SIGINT and SIGTERM first end the streams and then do what they did before."""
        self.ending = False
        before: dict[int, Any] = {}

        def handler(number: int, frame: FrameType | None) -> None:
            self.end()
            if callable(before[number]):
                before[number](number, frame)

        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, handler)
        try:
            yield
        finally:
            for number, old in before.items():
                if signal.getsignal(number) is handler:
                    signal.signal(number, old)
            self.end()


class EventStream(Response):
    """One browser's stream.  The subscription ends with it, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, subscribe: Subscribe, runs: set[str], streams: Streams, *, coalesce: float = COALESCE) -> None:
        self.subscribe, self.runs, self.streams, self.coalesce = subscribe, runs, streams, coalesce
        self.status_code, self.background = 200, None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop, news, over, pending = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event(), Pending()

        def arrived(message: Message) -> None:  # in the loop
            pending.add(message)
            news.set()

        def publish(message: Message) -> None:  # in the owner's thread
            with contextlib.suppress(RuntimeError):  # the loop closed between two messages
                loop.call_soon_threadsafe(arrived, message)

        watch = asyncio.create_task(_disconnected(receive, over))
        ended = asyncio.create_task(over.wait())
        unsubscribe = await asyncio.to_thread(self.subscribe, self.runs, publish)  # a reader first loads the runs

        async def tell(message: dict[str, Any]) -> None:
            sending = asyncio.ensure_future(send(message))
            await asyncio.wait({sending, ended}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({sending}, timeout=LAST_WORDS)
            if not sending.done():  # the browser does not read, and the stream is over
                sending.cancel()
                _cut(receive)
            elif sending.exception() is not None:
                over.set()  # the browser left in the middle of a frame

        try:
            with self.streams.one(over):
                await tell({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await tell({"type": "http.response.body", "body": b"retry: 1000\n: open\n\n", "more_body": True})
                while not over.is_set():
                    arrival = asyncio.ensure_future(news.wait())
                    await asyncio.wait({arrival, ended}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                    arrival.cancel()
                    news.clear()
                    body = b"".join(pending.drain()) or b": alive\n\n"
                    await tell({"type": "http.response.body", "body": body, "more_body": True})
                    await asyncio.wait({ended}, timeout=self.coalesce)
                await tell({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            unsubscribe()
            watch.cancel()
            ended.cancel()


async def _disconnected(receive: Receive, over: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    over.set()


def _cut(receive: Receive) -> None:
    """Cut the connection of a browser that stopped reading: uvicorn would wait for ever to flush what it never takes."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()
