"""A client without a browser: takes /snapshot and /live of one run as the page does, and remembers which steps it was told."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from typing import Any

from tests.support.entering import cookie

METRIC = "loss/train"


class Listener:
    """Listens in a thread from `__enter__` on; the snapshot is taken when the stream is open, so that nothing falls between."""

    def __init__(self, port: int, run: str) -> None:
        self.port, self.run = port, run
        self.steps: set[int] = set()
        self.known = {"Cookie": "{name}={value}".format(**cookie(port))}  # a browser of its own
        self.resyncs = 0
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.thread = threading.Thread(target=self.listen, daemon=True)

    def listen(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # the connection is cut at the end
            self.connection.request("GET", f"/live?run={self.run}", headers=self.known)
            answer = self.connection.getresponse()
            name = ""
            for line in iter(answer.readline, b""):
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    name = text.removeprefix("event: ")
                elif text == ": open":
                    self.snapshot()
                elif text.startswith("data: ") and name == "delta":
                    self.steps.update(json.loads(text.removeprefix("data: ")).get("points", {}).get(METRIC, {}).get("steps", ()))
                elif text.startswith("data: "):  # the server asks a slow client to begin again
                    self.resyncs += 1
                    self.snapshot()

    def snapshot(self) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as asking:
            asking.request("GET", f"/snapshot?run={self.run}&series={METRIC}&points=20000", headers=self.known)
            self.steps.update(json.loads(asking.getresponse().read())["series"][METRIC]["steps"])

    def all_until(self, last: int, *, within: float = 30.0) -> set[int]:
        """The steps that were told, once `last` is among them or `within` seconds have passed."""
        until = time.monotonic() + within
        while last not in self.steps and time.monotonic() < until:
            time.sleep(0.05)
        return set(self.steps)

    def __enter__(self) -> Listener:
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.connection.sock is not None:
            with contextlib.suppress(OSError):
                self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.connection.close()
