"""What ends a fork server that still imports: its server has gone, it is asked to, or a file keeps it busy for ever."""

from __future__ import annotations

import os
import select
import signal
import socket
from typing import Any

from engine.core.child import kill_living


class Warming:
    """While torch and the labs are imported: SIGTERM ends this process at once, and a server that has gone ends it too.

    Looked at every few seconds between two lines of Python; what never comes back to Python ends by its processor time.
    """

    def __init__(self, link: socket.socket, every: float = 5.0, cpu: float = 120.0) -> None:
        self.link, self.every, self.cpu = link, every, cpu
        self.server = os.getppid()

    def __enter__(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the server's business
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, self.leave_if_alone)
        signal.setitimer(signal.ITIMER_REAL, self.every, self.every)
        signal.setitimer(signal.ITIMER_PROF, self.cpu)

    def leave_if_alone(self, *_: Any) -> None:
        waiting = select.poll()
        waiting.register(self.link, 0)  # tells of nothing but the end of the other side
        if os.getppid() != self.server or waiting.poll(0):
            kill_living()
            os._exit(0)

    def __exit__(self, *_: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
