"""Sweeps on the command line: an id that may be a sweep's, and a lab that works on the queue after this command has left."""

from __future__ import annotations

import subprocess
import sys

from engine.commands._answer import FAILED, NOT_FOUND, Refusal
from engine.core import locks, started
from engine.core.environment import for_workers
from engine.core.files import regular
from engine.core.paths import ROOT, data_folder
from engine.runs.sweep_file import SWEEP_ID, Sweep, SweepUnreadable, read_sweep


def sweep_named(word: str) -> Sweep | None:
    """The sweep of this id, or None for a word that is no sweep's id.  A refusal for one that does not exist or cannot be read."""
    if not SWEEP_ID.match(word):
        return None
    try:
        return read_sweep(data_folder(), word)
    except KeyError as error:
        raise Refusal(NOT_FOUND, error.args[0]) from None
    except SweepUnreadable as error:
        raise Refusal(FAILED, str(error)) from None


def work_on_the_queue() -> None:
    """Start a process that starts runs as slots become free and leaves when none waits or trains; nothing where somebody is on duty."""
    data = data_folder()
    if locks.is_locked(data / "supervisor.lock"):
        return
    with open(data / "serve.log", "ab", opener=regular) as log:
        subprocess.Popen(
            [sys.executable, "-m", started.COMMANDS, "serve", "--until-idle"],
            cwd=ROOT,
            env=for_workers({"FAULTLINE_DATA": str(data.resolve())}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
