"""The end of a worker that left without telling it, written by whoever saw its exit code or its signal."""

from __future__ import annotations

import signal

from engine.runs.ending import STATUS_OF_CODE, signal_name
from engine.runs.folder import RunFolder

OUT_OF_MEMORY = "; if nobody sent it, the machine ran out of memory and the kernel chose this process"


def tell_end(folder: RunFolder, code: int) -> None:
    """Write exit.json for a worker that ended with `code` (negative: a signal) and did not do so itself.

    OSError where a full disk does not take it, and no room was kept: whoever saw the end tells it again.
    """
    if folder.exit() is not None:
        return
    if code < 0:
        name = signal_name(-code)
        asked = (folder.path / "STOP").exists()
        if asked and -code == signal.SIGTERM:
            folder.write_exit("stopped", by_signal=-code, message="Stopped by signal SIGTERM before it could write a checkpoint.")
        elif asked:
            folder.write_exit("killed", by_signal=-code, message=f"It did not answer to stop and was killed by signal {name}.")
        else:
            hint = OUT_OF_MEMORY if -code == signal.SIGKILL else ""
            folder.write_exit("killed", by_signal=-code, message=f"The worker was killed by signal {name}{hint}.")
        return
    status = STATUS_OF_CODE.get(code, "failed")
    last = next((line.strip() for line in reversed(folder.log(50)) if line.strip()), "")
    message = "" if status != "failed" else f"The worker ended with code {code}" + (f": {last}" if last else " and said nothing.")
    folder.write_exit(status, code=code, message=message)
