"""Forks servers (owner and supervisor, no pages) over one folder and kills each at a random moment: `nursery.py DATA SEED KILLS FLIGHT`.

Prints in how many of the kills the worker of the folder had a log call in flight.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from engine.index.owner import IndexOwner
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor

WORKER = [sys.executable, str(Path(__file__).with_name("worker.py"))]


def serve(data: Path, answer: int) -> None:
    owner, supervisor = IndexOwner(data), Supervisor(data, Local(WORKER), cores=1, gpus=[])
    assert owner.role == "owner", "the lock of the dead one is gone with it"
    supervisor.start()
    while True:
        owner.step()
        os.write(answer, b".")


def main(data: Path, seed: int, kills: int, flight: Path) -> int:
    chance, flying = random.Random(seed), 0
    for _ in range(kills):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            serve(data, write)
        for _ in range(chance.randrange(2, 6)):  # passes of the owner
            assert os.read(read, 1) == b"."
        while not flight.exists() or flight.stat().st_size < 16:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.03)
        begun, acknowledged = struct.unpack("<2q", flight.read_bytes())
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)
        flying += begun > acknowledged
    return flying


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])), flush=True)
