"""A proxy that adds a path prefix and takes it away again: /class/lab/run reaches the server behind it as /run.

It rewrites the first line of a request and then passes bytes on in both directions, so that streams and sockets work.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Self

PREFIX = "/class/lab"
MOST_HEAD = 2**16  # bytes of the head of a request


class StrippingProxy:
    """Serves from a thread of its own between `__enter__` and `__exit__`; `port` is where."""

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    async def _serve(self) -> None:
        self.server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=MOST_HEAD)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, rest = head.split(b" ", 2)
            if not path.startswith(PREFIX.encode() + b"/"):
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            if b"\r\nupgrade:" not in head.lower():  # one request for each connection: none slips through with its prefix
                rest = rest.replace(b"\r\n", b"\r\nConnection: close\r\n", 1).replace(b"\r\nConnection: keep-alive\r\n", b"\r\n")
            their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.behind)
            their_writer.write(b" ".join([method, path.removeprefix(PREFIX.encode()), rest]))
            await asyncio.gather(_pass_on(reader, their_writer), _pass_on(their_reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def __enter__(self) -> Self:
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self.loop).result(30)
        return self

    def __exit__(self, *_: Any) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _end(self) -> None:
        self.server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Whatever comes, until one of the two ends."""
    try:
        while piece := await reader.read(2**16):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
