"""The lab's routes without its pages, on a port of its own choice: `python tests/support/fake/server.py DATA`; prints the port."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import uvicorn
from starlette.applications import Starlette

from engine.scheduler.local import Local
from engine.server.routes import routes, streams
from engine.server.service import Service


def main(data: Path) -> None:
    lab_service = Service(data, Local([sys.executable, str(Path(__file__).with_name("worker.py"))]))

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        lab_service.owner.start()
        lab_service.supervisor.start()
        with streams.ended_by_signals():
            yield
        lab_service.supervisor.close()
        lab_service.owner.stop()
        print("closed", flush=True)

    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    app = Starlette(routes=routes(lambda: lab_service), lifespan=lifespan)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
