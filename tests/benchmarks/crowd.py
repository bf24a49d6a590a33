"""Many clients of /live without browsers: sockets of one thread that read what comes and remember which words were in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self

PATIENCE = 120.0  # seconds
TAIL = 64  # bytes kept of what was read before, so that a word that comes in two pieces is found


class Client(asyncio.Protocol):
    """One connection: sends the request, and counts in `seen` how often `word` came."""

    def __init__(self, crowd: Crowd, request: bytes) -> None:
        self.crowd, self.request = crowd, request
        self.bytes, self.tail, self.status, self.gone = 0, b"", b"", False
        self.seen: set[bytes] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        self.status = self.status or data[9:12]
        text = self.tail + data
        self.seen.update(word for word in self.crowd.words if word in text)
        self.tail = text[-TAIL:]
        self.crowd.changed.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True
        self.crowd.changed.set()


class Crowd:
    """Clients that come together, hear together and leave together; the methods may be called from any thread."""

    def __init__(self, port: int, path: str) -> None:
        self.port, self.request = port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self.clients: list[Client] = []
        self.words: set[bytes] = set()
        self.loop = asyncio.new_event_loop()
        self.changed = asyncio.Event()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.leave()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def come(self, many: int) -> None:
        """So many more, each with an open stream at the end."""
        self.words |= {b": open"}
        self._do(self._come(many))
        self.hear(b": open")

    def hear(self, word: bytes) -> None:
        """Wait until every client has read `word`, from now on or before."""
        self._do(self._hear(word))

    def expect(self, word: bytes) -> None:
        """From now on look for `word`."""
        self.words = {b": open", word}

    def leave(self) -> None:
        """All connections are cut at once."""
        self._do(self._leave())

    async def _come(self, many: int) -> None:
        for _ in range(many):
            _, client = await self.loop.create_connection(lambda: Client(self, self.request), "127.0.0.1", self.port)
            self.clients.append(client)

    async def _leave(self) -> None:
        for client in self.clients:
            client.transport.abort()  # type: ignore[attr-defined]
        while not all(client.gone for client in self.clients):
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), PATIENCE)
        self.clients = []

    async def _hear(self, word: bytes) -> None:
        while not all(word in client.seen for client in self.clients):
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), PATIENCE)

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self.loop).result(PATIENCE)
