"""How a run ends: its statuses, and the exit codes of its worker and of the command that waits for it.  Nothing else lists them."""

from __future__ import annotations

import math
import signal

STATUSES = ("queued", "running", "held", "finished", "stopped", "diverged", "failed", "killed", "lost", "unreadable")
ENDED = frozenset(STATUSES[3:])  # an unreadable run may still live, but that is the business of the Faultline that made it
ENDS = ENDED - {"unreadable"}  # what exit.json may say

CODES = {"finished": 0, "failed": 3, "diverged": 4, "stopped": 6}  # a worker that tells its end itself; 2 is a wrong command line
STATUS_OF_CODE = {code: status for status, code in CODES.items()}  # any other code: failed
CODE_OF_STATUS = {**CODES, **dict.fromkeys(("killed", "lost", "unreadable"), CODES["failed"])}  # `run`, of the run that it waited for


def signal_name(number: int) -> str:
    """SIGKILL for 9; what has no name of its own, such as most real-time signals, keeps its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def value_of(status: str, last: float | None) -> float | None:
    """What a run came to: its last stored value if it finished, which may be no number; NaN if it diverged, whatever it measured last.

    None while it goes on, where it was stopped, failed, was killed or lost before its end, and where it has not measured this.
    """
    if status == "diverged":
        return math.nan
    return last if status == "finished" else None
