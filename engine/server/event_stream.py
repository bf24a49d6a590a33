"""Server-sent events: what is new about some runs, to one browser; bounded in number, and ended together.

engine/server/routes.py answers /live with one; engine/server/channels.py fills it.  A line beginning with a colon is a heartbeat.

A stream ends when the browser leaves or when the
server begins to shut down: uvicorn waits for open responses before it runs the lifespan's end, so
streams that waited for the lifespan would hold up the shutdown for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from engine.server.channels import Channels, Mailbox, Subscribe

HEARTBEAT = 10.0  # seconds
LAST_WORDS = 1.0  # seconds that a stream's end waits for a browser that does not read
DEAF = 60.0  # seconds after which a browser that takes nothing of what waits for it is cut off
MOST_STREAMS, MOST_OF_A_BROWSER = 400, 8
POLL = 5  # seconds between two questions for /snapshot of a page that got no stream


class OpenStream:
    """One browser's stream while it is open."""

    def __init__(self, browser: str | None, receive: Receive) -> None:
        self.browser, self.mailbox = browser, Mailbox()
        self.loop = asyncio.get_running_loop()
        self._receive, self._task = receive, asyncio.current_task(self.loop)
        self.sent_at: float | None = None  # when it began to send what is still not taken

    def end(self) -> None:
        """In the loop: say good-bye; a browser that does not read gets LAST_WORDS seconds for it."""
        self.mailbox.end()
        self.loop.call_later(LAST_WORDS, self.cut)

    def cut(self) -> None:
        """Cut the connection of a browser that stopped reading: uvicorn would wait for ever to flush what it never takes."""
        if self.sent_at is not None and self._task is not None and not self._task.done():
            transport = getattr(getattr(self._receive, "__self__", None), "transport", None)
            if transport is not None:
                transport.abort()
            else:
                self._task.cancel()

    def beat(self) -> None:
        """A sign of life where nothing else is sent."""
        if self.sent_at is None:
            self.mailbox.put("", b": alive\n\n")
        elif self.loop.time() - self.sent_at > DEAF:
            self.mailbox.end()
            self.cut()


class Streams:
    """All open streams of one server: no more than `most`, of one browser no more than `most_of_a_browser`, ended together."""

    def __init__(self, most: int = MOST_STREAMS, most_of_a_browser: int = MOST_OF_A_BROWSER) -> None:
        self.most, self.most_of_a_browser = most, most_of_a_browser
        self.channels = Channels()
        self._open: set[OpenStream] = set()
        self._of_browser: Counter[str] = Counter()
        self._beating: set[asyncio.AbstractEventLoop] = set()
        self.ending = False

    def __len__(self) -> int:
        return len(self._open)

    def refusal(self, browser: str | None) -> str:
        """Why no further stream may be opened, in one sentence; empty when it may."""
        instead = f"ask /snapshot every {POLL} seconds instead."
        if len(self._open) >= self.most:
            return f"The server has {self.most} open streams and allows no more; {instead}"
        if browser is not None and self._of_browser[browser] >= self.most_of_a_browser:
            return f"This browser has {self.most_of_a_browser} open streams and may have no more; close some of its pages, or {instead}"
        return ""

    @contextlib.contextmanager
    def one(self, browser: str | None, receive: Receive) -> Iterator[OpenStream]:
        stream = OpenStream(browser, receive)
        self._open.add(stream)
        if browser is not None:
            self._of_browser[browser] += 1
        if self.ending:
            stream.end()
        if stream.loop not in self._beating:
            self._beating.add(stream.loop)
            stream.loop.call_later(HEARTBEAT, self._beat, stream.loop)
        try:
            yield stream
        finally:
            self._open.discard(stream)
            if browser is not None:
                self._of_browser[browser] -= 1
                if not self._of_browser[browser]:
                    del self._of_browser[browser]

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        streams = [stream for stream in self._open if stream.loop is loop]
        for stream in streams:
            stream.beat()
        if streams:
            loop.call_later(HEARTBEAT, self._beat, loop)
        else:
            self._beating.discard(loop)

    def end(self) -> None:
        """Every open stream ends, and no new one begins; may be called from a signal handler."""
        self.ending = True
        for stream in list(self._open):
            stream.loop.call_soon_threadsafe(stream.end)

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
    """One browser's stream, or 503 with one sentence where there are too many.  `browser`: who asks, None when that is not known."""

    media_type = "text/event-stream"

    def __init__(self, subscribe: Subscribe, runs: set[str], streams: Streams, browser: str | None = None) -> None:
        self.subscribe, self.runs, self.streams, self.browser = subscribe, runs, streams, browser
        self.status_code, self.background = 200, None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self.streams.refusal(self.browser)
        if refusal:
            await JSONResponse({"error": refusal}, 503, headers={"Retry-After": str(POLL)})(scope, receive, send)
            return
        with self.streams.one(self.browser, receive) as stream:
            watch = stream.loop.create_task(_disconnected(receive, stream.mailbox))
            try:
                await self.streams.channels.follow(self.subscribe, self.runs, stream.mailbox)
                await self._send(stream, send)
            except OSError:  # the browser left in the middle of a frame
                pass
            finally:
                self.streams.channels.leave(self.subscribe, self.runs, stream.mailbox)
                watch.cancel()

    async def _send(self, stream: OpenStream, send: Send) -> None:
        mailbox, time = stream.mailbox, stream.loop.time
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        body = b"retry: 1000\n: open\n\n"
        while True:
            over, stream.sent_at = mailbox.over, time()
            await send({"type": "http.response.body", "body": body, "more_body": not over})
            stream.sent_at = None
            if over:
                return
            await mailbox.wake.wait()
            body = mailbox.take()


async def _disconnected(receive: Receive, mailbox: Mailbox) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    mailbox.end()
