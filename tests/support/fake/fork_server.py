"""A fork server that imports no torch and forks workers without a model; everything else of it is the real one."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from engine.worker.fork_server import VERBS, ForkServer
from tests.support.fake import worker


def do_worker(request: dict[str, Any], files: list[int]) -> int:
    os.dup2(files[0], 1)
    os.dup2(files[0], 2)
    os.set_inheritable(files[1], False)
    return worker.main(request["runs"][0])


def do_labs(request: dict[str, Any], files: list[int]) -> int:
    """A lab that is read for ever."""
    pow(3, 10**9)
    return 0


if __name__ == "__main__":
    VERBS.update(worker=do_worker, labs=do_labs)
    ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve()
