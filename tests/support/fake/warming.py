"""A fork server that imports no torch and warms up badly: `warming.py HOW FD`, with short limits and workers without a model.

python   loops in Python;  child: a file of the labs loops in a child
c:CPU    loops in C and never comes back; may use so many seconds of processor time
once:F   is killed while it warms up, unless the file F exists, which it makes
late     warms up well, and what it imports late never ends
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from engine.core.child import Limits, in_child
from engine.worker import fork_server
from tests.support.fake.fork_server import do_worker


def warm_up() -> None:
    print("warming", flush=True)
    if how == "python":
        while True:
            time.monotonic()
    elif how == "c":
        pow(3, 10**9)
    elif how == "child":
        in_child(lambda say: pow(3, 10**9), Limits(seconds=600.0, cpu=600))
    elif how == "once" and not Path(more).exists():
        Path(more).touch()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    how, _, more = sys.argv[1].partition(":")
    fork_server.warm_up = warm_up
    fork_server.VERBS.update(worker=do_worker, late=lambda request, files: pow(3, 10**9) if how == "late" else 1)
    fork_server.Warming = functools.partial(fork_server.Warming, every=0.2, cpu=float(more) if how == "c" else 60.0)
    sys.exit(fork_server.main(sys.argv[2:]))
