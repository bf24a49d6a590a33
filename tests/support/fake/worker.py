"""A worker without a model: writes points as fast as asked, and behaves well or badly as its knobs say.

behave   finish | stoppable | deaf | fail | hang (does not leave after its end) | mute (ends without a word, with exit code `code`)
         | cliff (diverges where steps / 64 > 1 - pace, and its pace is no time)
pace     seconds between two log calls
steps    log calls;  ledger: file that lists every acknowledged point, kept outside the run
flight   file outside the run with two numbers, how many log calls have begun and how many were acknowledged: they
         differ while a call is in flight, also after a kill;  wide: more scalars in each call
slow     seconds that the disk takes for one log call, half of them before the bytes are in the file and half after
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from engine.core.files import write_json
from engine.declare.knobs import unnest
from engine.runs.ending import CODES
from engine.runs.folder import RunFolder
from engine.runs.spool import Spool, spools
from tests.support import full_disk


class SlowDisk(Spool):
    """A spool whose log calls take most of the time, so that a kill at any moment hits one."""

    seconds = 0.0

    def _write(self, data: bytes) -> bool:
        time.sleep(self.seconds / 2)
        written = super()._write(data)
        time.sleep(self.seconds / 2)
        return written


def in_flight(path: str) -> memoryview:
    """Two numbers in a mapped file: what is written there outlives a kill, and costs no call of the kernel."""
    with open(path, "w+b") as file:
        file.truncate(16)
        return memoryview(mmap.mmap(file.fileno(), 16)).cast("q")


def tell(folder: RunFolder, phase: str, step: int, steps: int, dropped: int, attempt: int) -> None:
    with contextlib.suppress(OSError):  # a full disk does not end the training
        write_json(folder.path / "state.json", {"step": step, "steps": steps, "phase": phase, "dropped": dropped, "attempt": attempt})


def main(path: str) -> int:
    full_disk.refuse_as_told()
    folder = RunFolder(Path(path))
    knobs = unnest((folder.spec() or {})["knobs"])
    behave, steps, pace = knobs.get("behave", "finish"), knobs.get("steps", 20), knobs.get("pace", 0.0)
    asked = threading.Event()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behave == "deaf" else lambda *_: asked.set())
    print(f"fake worker {os.getpid()} behaves: {behave}", flush=True)
    attempt = len(spools(folder.path)) + 1
    kind = SlowDisk if knobs.get("slow") else Spool
    SlowDisk.seconds = knobs.get("slow", 0.0)
    spool = kind(folder.path / f"spool.{attempt}.bin", folder.run, attempt=attempt)
    ledger = os.open(knobs["ledger"], os.O_WRONLY | os.O_CREAT | os.O_APPEND) if knobs.get("ledger") else -1
    flight = in_flight(knobs["flight"]) if knobs.get("flight") else None
    wide = {(f"wide/{n}", ""): 1.0 for n in range(knobs.get("wide", 0))}
    status = "finished"
    for step in range(steps):
        scalars = {("loss/train", ""): 1.0 / (step + 1), ("grad_norm", "a"): float(step)}
        scalars |= wide
        if flight is not None:
            flight[0] = step + 1
        acknowledged = spool.log(step, scalars, {("load", "a"): [step, 1.0]})
        if flight is not None and acknowledged:
            flight[1] = step + 1
        if acknowledged and ledger >= 0:
            os.write(ledger, f"{step}\n".encode())
        if step % 50 == 0:
            tell(folder, "training", step + 1, steps, spool.dropped, attempt)
        if behave != "deaf" and (asked.is_set() or (folder.path / "STOP").exists()):
            status = "stopped"
            break
        if pace and behave != "cliff":
            time.sleep(pace)
    spool.close()
    tell(folder, "saving", step + 1, steps, spool.dropped, attempt)
    if behave == "mute":
        return int(knobs.get("code", 0))
    if behave == "fail":
        print("ValueError: as it was told to", flush=True)
        folder.write_exit("failed", code=3, message="ValueError: as it was told to")
        return 3
    if behave == "cliff" and steps / 64 > 1 - pace:
        status = "diverged"
    folder.write_exit(status, code=CODES[status], step=step + 1, dropped=spool.dropped)
    if behave == "hang":
        threading.Event().wait()
    return CODES[status]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
