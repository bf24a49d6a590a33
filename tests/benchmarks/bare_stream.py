"""The plainest stream that Starlette can make of given bytes: `python tests/benchmarks/bare_stream.py FILE`; prints the port.

FILE holds a list of frames in JSON.  Every client of /live gets the opening, and then one frame after the other, each when
/next is asked for: what a stream costs when nobody merges, bounds or counts anything.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


def main(file: Path) -> None:
    frames = [frame.encode() for frame in json.loads(file.read_text())]
    reached, news = 0, asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b": open\n\n"
        for n, frame in enumerate(frames):
            while reached <= n:
                await news.wait()
            yield frame

    def live(_request: Request) -> Response:
        return StreamingResponse(body(), media_type="text/event-stream")

    async def go_on(_request: Request) -> Response:
        nonlocal reached, news
        reached, before, news = reached + 1, news, asyncio.Event()
        before.set()
        return JSONResponse(reached)

    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/live", live), Route("/next", go_on)])
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
