"""Makes a sweep of nine toy runs again and again, and is killed at another moment each time: before its n-th change of the disk.

DATA MOMENTS -> for each n a data folder DATA/n as the kill left it; prints how many there were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from engine.declare.sweep import plan
from engine.scheduler.sweeps import create
from tests.support.toy import TOY

GRID = {"pace": "0,0.001,0.002", "seed": "0..2", "steps": "3"}


def killed_before(moment: int) -> None:
    """From here on, before the change of that number."""
    count = 0

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def once(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            return change(*arguments, **named)

        return once

    for name in ("mkdir", "replace", "rename"):
        setattr(os, name, counted(getattr(os, name)))


def main(data: Path, most: int) -> int:
    planned = plan(TOY, None, GRID)
    for moment in range(most):
        here = data / str(moment)
        (here / "runs").mkdir(parents=True)
        (here / "sweeps").mkdir()
        child = os.fork()
        if child == 0:
            killed_before(moment)
            create(here, TOY, planned, who="ann")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return moment + 1
    return most


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2])), flush=True)
