"""A worker without a model: writes points as fast as asked, and behaves well or badly as its knobs say.

behave   finish | stoppable | deaf | fail | hang (does not leave after its end) | mute (ends without a word, with exit code `code`)
pace     seconds between two log calls
steps    log calls;  ledger: file that lists every acknowledged point, kept outside the run
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from engine.folder import RunFolder, write_json
from engine.knobs import unnest
from engine.spool import Spool, spools

CODES = {"finished": 0, "failed": 3, "diverged": 4, "stopped": 6}


def main(path: str) -> int:
    folder = RunFolder(Path(path))
    knobs = unnest((folder.spec() or {})["knobs"])
    behave, steps, pace = knobs.get("behave", "finish"), knobs.get("steps", 20), knobs.get("pace", 0.0)
    asked = threading.Event()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behave == "deaf" else lambda *_: asked.set())
    print(f"fake worker {os.getpid()} behaves: {behave}", flush=True)
    attempt = len(spools(folder.path)) + 1
    spool = Spool(folder.path / f"spool.{attempt}.bin", folder.run, attempt=attempt)
    ledger = os.open(knobs["ledger"], os.O_WRONLY | os.O_CREAT | os.O_APPEND) if knobs.get("ledger") else -1
    status = "finished"
    for step in range(steps):
        scalars = {("loss/train", ""): 1.0 / (step + 1), ("grad_norm", "a"): float(step)}
        acknowledged = spool.log(step, scalars, {("load", "a"): [step, 1.0]})
        if acknowledged and ledger >= 0:
            os.write(ledger, f"{step}\n".encode())
        if step % 50 == 0:
            write_json(
                folder.path / "state.json",
                {"step": step + 1, "steps": steps, "phase": "training", "dropped": spool.dropped, "attempt": attempt},
            )
        if behave != "deaf" and (asked.is_set() or (folder.path / "STOP").exists()):
            status = "stopped"
            break
        if pace:
            time.sleep(pace)
    spool.close()
    write_json(
        folder.path / "state.json", {"step": step + 1, "steps": steps, "phase": "saving", "dropped": spool.dropped, "attempt": attempt}
    )
    if behave == "mute":
        return int(knobs.get("code", 0))
    if behave == "fail":
        print("ValueError: as it was told to", flush=True)
        folder.write_exit("failed", code=3, says="ValueError: as it was told to")
        return 3
    folder.write_exit(status, code=CODES[status])
    if behave == "hang":
        threading.Event().wait()
    return CODES[status]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
