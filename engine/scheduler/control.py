"""Orders to a run: stop, hold, resume, delete.

An order is a file in the run's folder or a change of its files; whoever is on duty acts on it, and presses
a worker that does not answer to stop.  Each returns the run's status afterwards, and refuses with one
sentence what makes no sense.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from engine.core import locks
from engine.runs.ending import ENDED
from engine.runs.folder import PREPARED, RunFolder
from engine.runs.spool import spools
from engine.scheduler.executor import Executor
from engine.scheduler.goes_on import against
from engine.scheduler.local import Local

LEAVING = 5.0  # seconds that a worker may take to leave after it has told its end
ABANDONED = 60.0  # seconds after which nobody is making a run's folder any more


class Refused(ValueError):
    """The order makes no sense for this run as it is; the message is one sentence."""


def stop(folder: RunFolder, executor: Executor) -> str:
    """Ask a run to stop -> its status now.  A queued run needs no checkpoint: it is stopped at once."""
    _readable(folder)
    if folder.status() in ENDED:
        return folder.status()
    try:
        executor.stop(folder, "ask")
    except OSError:  # a disk that takes no file more: a worker can be asked by a signal too
        if folder.status() != "queued":
            executor.stop(folder, "terminate")
    try:
        mine = locks.take(folder.path / "claim")
    except OSError:
        mine = None
    if mine is not None:
        if folder.status() == "queued":
            folder.write_exit("stopped", message="Stopped before it began.")
        mine.release()
    return folder.status()


def hold(folder: RunFolder) -> str:
    """Ask a running training to wait between two steps; it keeps its process, its memory and its slot.

    With it wait the runs that are trained together with it.
    """
    _readable(folder)
    status = folder.status()
    if status not in ("running", "held"):
        raise Refused(f"{folder.run} is {status}; only a running run can be held.")
    (folder.path / "HOLD").touch()
    return folder.status()


def resume(folder: RunFolder, executor: Executor | None = None) -> str:
    """Let a held run go on, or queue a new attempt of a run that ended before it was finished.

    The new attempt begins at the last checkpoint, or at step 0 where there is none, and supersedes
    what the earlier one told from there on.  `executor` says whether the data is still the same.
    """
    _readable(folder)
    status = folder.status()
    if status == "held":
        for one in (folder, *folder.stack()):  # of runs that are trained together each is held while one is
            (one.path / "HOLD").unlink(missing_ok=True)
        return "running"
    if status == "finished":
        raise Refused(f"{folder.run} is finished: all its steps are done; run it again, or with more steps.")
    if status not in ENDED:
        raise Refused(f"{folder.run} is {status}; it goes on by itself.")
    if message := against(folder, executor or Local()):
        raise Refused(message)
    mine = _lock_of_an_ended(folder)
    try:
        if folder.status() not in ENDED:
            raise Refused(f"{folder.run} is {folder.status()}; somebody has just resumed it.")
        folder.keep_room()  # for its next end
        attempt = len(spools(folder.path))
        for name in ("STOP", "HOLD", "proc.json"):
            (folder.path / name).unlink(missing_ok=True)
        os.replace(folder.path / "exit.json", folder.path / f"exit.{attempt}.json")  # from here on it is queued
    finally:
        mine.release()
    os.utime(folder.path.parent)  # the owner looks at once
    return folder.status()


def delete(folder: RunFolder) -> None:
    """Remove a run that has ended, or that never began, with everything it wrote."""
    if folder.status() not in (*ENDED, "queued"):
        raise Refused(f"{folder.run} is {folder.status()}; stop it first, then delete it.")
    mine = _lock_of_an_ended(folder)
    try:
        if folder.status() not in (*ENDED, "queued"):
            raise Refused(f"{folder.run} has just begun; stop it first, then delete it.")
        gone = folder.path.with_name(f".deleted-{folder.run}-{os.getpid()}")
        os.replace(folder.path, gone)  # all at once: no reader sees half a run
    finally:
        mine.release()
    _remove(gone)


def _readable(folder: RunFolder) -> None:
    """Refuse orders to a run that only a newer Faultline understands."""
    if message := folder.unreadable():
        raise Refused(f"{folder.run} is unreadable ({message}); it can only be deleted.")


def _lock_of_an_ended(folder: RunFolder) -> locks.RunLock:
    """The lock of a run; a worker that has told its end holds it until it has left, which takes a moment.

    Where no lock can be (the folder is a link, or its claim is no regular file) there is no worker either.
    """
    until = time.monotonic() + LEAVING
    claim = folder.path / "claim"
    if folder.path.is_symlink() or (os.path.lexists(claim) and (claim.is_symlink() or not claim.is_file())):
        return locks.RunLock(-1)
    while (mine := locks.take(claim)) is None:
        if time.monotonic() > until:
            if folder.unreadable():
                raise Refused(f"{folder.run} is in use by the Faultline that made it; stop it there first.")
            raise Refused(f"{folder.run} is {folder.status()}, but its worker is still leaving; try again in a moment.")
        time.sleep(0.02)
    return mine


def remove_leftovers(runs: Path) -> None:
    """Finish deletions that a kill cut short, and remove folders of new runs whose maker was killed before they became one."""
    for left in runs.glob(".deleted-*"):
        with contextlib.suppress(OSError):
            _remove(left)
    for left in runs.glob(f"{PREPARED}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime > ABANDONED:
                _remove(left)


def _remove(path: Path) -> None:
    """A folder with all it holds; of a link only the link."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path)
