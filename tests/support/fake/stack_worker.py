"""A worker of one run or several without a model: every run goes on until it is asked to stop, and SIGTERM stops all."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from engine.core.files import write_json
from engine.runs.ending import CODES
from engine.runs.folder import RunFolder
from engine.runs.spool import Spool


def main(paths: list[str]) -> int:
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    living = [RunFolder(Path(path)) for path in paths]
    for folder in living:
        Spool(folder.path / "spool.1.bin", folder.run).close()
        write_json(folder.path / "state.json", {"step": 1, "steps": 2, "phase": "training", "dropped": 0, "attempt": 1})
    while living:
        for folder in [folder for folder in living if over.is_set() or (folder.path / "STOP").exists()]:
            folder.write_exit("stopped", code=CODES["stopped"])
            living.remove(folder)
        over.wait(0.01)
    return CODES["stopped"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
