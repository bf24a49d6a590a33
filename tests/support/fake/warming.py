"""A fork server that imports no torch and warms up badly: `warming.py HOW FD`, with short limits; everything else of it is the real one.

python   loops in Python;  c: loops in C and never comes back;  child: a file of the labs loops in a child
once     is killed while it warms up, the first time only (HOW is `once:FILE`, which then exists)
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


def warm_up() -> None:
    how, _, file = sys.argv[1].partition(":")
    print("warming", flush=True)
    if how == "python":
        while True:
            time.monotonic()
    elif how == "c":
        pow(3, 10**9)
    elif how == "child":
        in_child(lambda say: pow(3, 10**9), Limits(seconds=600.0, cpu=600))
    elif how == "once" and not Path(file).exists():
        Path(file).touch()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    fork_server.warm_up = warm_up
    fork_server.Warming = functools.partial(fork_server.Warming, every=0.2, cpu=2.0)
    sys.exit(fork_server.main(sys.argv[2:]))
