"""One request to the gate and what comes of it, without a server: the defaults are those of an open page on a laptop."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from engine.server.access_token import Token, signed
from engine.server.admission import Rules
from engine.server.gate import BROWSER, Gate
from tests.support import own_loop
from tests.support.entering import TOKEN

SETTINGS = {
    "server.enableAgentApi": False,
    "server.address": "127.0.0.1",
    "browser.serverAddress": "localhost",
    "browser.serverPort": 8501,
    "server.port": 8501,
    "server.baseUrlPath": "",
    "server.allowedHosts": [],
    "server.corsAllowedOrigins": [],
    "server.sslCertFile": None,
    "server.headless": True,
}
WAYS: dict[str, dict[str, Any]] = {
    "laptop": {},
    "room": {"server.address": "0.0.0.0"},
    "proxy": {"server.allowedHosts": ["lab.example.org", "*.class.example.org"], "server.baseUrlPath": "/class/"},
    "rewriting proxy": {"server.corsAllowedOrigins": ["https://lab.example.org/"]},
    "named": {"browser.serverAddress": "lab.example.org/class"},
}
OURS = ("/live", "/snapshot", "/image", "/export", "/plotly.js", "/healthz")
ID = "0123456789abcdef" * 2
GOOD = f"faultline-8501={signed(TOKEN, ID)}"
SNAPSHOT, LAPTOP = "/snapshot?run=a", "127.0.0.1:8501"
VISIT = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))
FRAME = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"))


def option(way: str) -> Callable[[str], Any]:
    return {**SETTINGS, **WAYS[way]}.__getitem__


class Ask(NamedTuple):
    """One request; the defaults are those of an open page on a laptop."""

    path: str = SNAPSHOT
    host: str | None = LAPTOP
    cookie: str | None = GOOD
    origin: str | None = None
    site: str | None = None
    way: str = "laptop"
    kind: str = "http"
    method: str = "GET"
    scheme: str = "http"
    more: tuple[tuple[str, str], ...] = ()
    server: tuple[str, int] = ("127.0.0.1", 8501)

    def answer(self) -> tuple[int, dict[str, str], str]:
        """-> status (101: the socket was accepted), headers, body."""
        named = {"host": self.host, "cookie": self.cookie, "origin": self.origin, "sec-fetch-site": self.site}
        headers = [(name.encode(), value.encode("latin-1")) for name, value in (*named.items(), *self.more) if value is not None]
        path, _, query = self.path.partition("?")
        scope = {
            **{"type": self.kind, "method": self.method, "path": path, "raw_path": path.encode(), "query_string": query.encode()},
            **{"headers": headers, "server": self.server, "scheme": self.scheme, "extensions": {"websocket.http.response": {}}},
        }
        return own_loop.run(_gone_through(scope, Gate(inside, Rules.of(option(self.way)), Fixed(Path()), OURS)))


class Fixed(Token):
    def now(self) -> str:
        return TOKEN


async def inside(scope: Any, receive: Any, send: Any) -> None:
    """The lab behind the gate: says which browser it sees."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    seen = [value.decode() for name, value in scope["headers"] if name == BROWSER.encode()]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


async def _gone_through(scope: dict[str, Any], gate: Gate) -> tuple[int, dict[str, str], str]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if scope["type"] == "websocket" else "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await gate(scope, receive, send)
    if sent[0]["type"] == "websocket.accept":
        return 101, {}, ""
    headers: dict[str, str] = {}
    for name, value in sent[0]["headers"]:
        known = headers.get(name.decode().lower())
        headers[name.decode().lower()] = f"{known}, {value.decode()}" if known else value.decode()
    return sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:]).decode()


PAGE, SOCKET = Ask("/run?run=a"), Ask("/_stcore/stream", kind="websocket")
ROOM = Ask(way="room", host="192.168.1.5:8501", server=("192.168.1.5", 8501))
PROXY = Ask("/class/snapshot?run=a", way="proxy", host="lab.example.org")
LINK = Ask(f"/run?run=a&token={TOKEN}", cookie=None)
LOCAL = "http://127.0.0.1:8501"
