"""Orders to a whole sweep: stop, hold, resume, delete; each goes to its runs one by one (engine/scheduler/control.py)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path

from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.runs.sweep_file import Sweep, SweepUnreadable, member_runs, read_sweep, remove_sweep, reused_by_others, write_sweep
from engine.scheduler import control
from engine.scheduler.control import Refused
from engine.scheduler.executor import Executor
from engine.scheduler.local import Local
from engine.scheduler.queue import QueueOrder
from engine.scheduler.sweeps import leave_missing, make_missing, writing

AGAIN = frozenset({"stopped", "failed", "killed", "lost"})  # members that `resume` tries again; a diverged one has its result


def folders(data: Path, sweep: Sweep, *, own: bool = False) -> list[RunFolder]:
    """The runs that its members have, in order; with `own` only those that it made."""
    found = [run for run in member_runs(data, sweep).values() if run is not None]
    return [RunFolder(data / "runs" / run) for run in found if not own or run not in sweep.reused.values()]


def statuses(data: Path, sweep: Sweep, *, own: bool = False) -> dict[str, str]:
    """Run -> status, for every member that has a run."""
    return {folder.run: folder.status() for folder in folders(data, sweep, own=own)}


def counted(statuses: Mapping[str, str]) -> dict[str, int]:
    """Status -> how many runs have it."""
    return {status: sum(one == status for one in statuses.values()) for status in dict.fromkeys(statuses.values())}


def stop(data: Path, sweep: Sweep, executor: Executor) -> list[RunFolder]:
    """Ask every run that it made to stop; members without a run get none.  -> the runs that it made.

    Queued ones first: a slot that becomes free is not for the next of them.
    """
    leave_missing(data, sweep)
    found = folders(data, sweep, own=True)
    for folder in sorted(found, key=lambda one: one.status() != "queued"):
        if folder.status() not in ENDED:
            control.stop(folder, executor)
    return found


def hold(data: Path, sweep: Sweep) -> list[RunFolder]:
    """Hold what runs and pause what waits of the runs that it made -> those.  Refused where neither is left."""
    order, found = QueueOrder(data), folders(data, sweep, own=True)
    going = [folder for folder in found if folder.status() not in ENDED]
    if not going:
        raise Refused(f"{sweep.id} has ended: none of its runs goes on.")
    for folder in going:
        if folder.status() == "queued":
            order.pause(folder.run)
    for folder in going:
        with contextlib.suppress(Refused):  # it has ended meanwhile, or still waits
            control.hold(folder)
    return found


def go_on(data: Path, sweep: Sweep) -> None:
    """Let held and paused runs of it go on, and nothing else."""
    order = QueueOrder(data)
    for folder in folders(data, sweep, own=True):
        status = folder.status()
        if status == "queued":
            order.pause(folder.run, on=False)
        elif status == "held":
            with contextlib.suppress(Refused):  # it has ended meanwhile
                control.resume(folder)


def resume(data: Path, sweep: Sweep, executor: Executor | None = None) -> tuple[list[RunFolder], list[str]]:
    """Let held and paused runs go on, make runs that are missing, and try again what was stopped, failed, was killed or is lost.

    In the place of a run that it found and that does not count any more it makes one of its own.  -> (its runs, why some cannot go on).
    """
    sweep = make_missing(data, sweep)
    go_on(data, sweep)
    against: list[str] = []
    for folder in folders(data, sweep, own=True):
        if folder.status() in AGAIN:
            try:
                control.resume(folder, executor)
            except Refused as refused:
                against.append(str(refused))
    return folders(data, sweep), against


def delete(data: Path, sweep: str, *, runs: bool = False) -> tuple[list[str], list[str]]:
    """Forget a sweep, also one that cannot be read; with `runs` also the runs that it made -> (runs that were deleted, those kept).

    Kept are runs that were there before, and those that another sweep counts as its own.  Refused while one of its runs goes on.
    Nobody makes runs of it, or counts them as his, before all of it is gone; those that wait are stopped first, so that none begins.
    """
    with writing(data):
        try:
            found = read_sweep(data, sweep)
        except SweepUnreadable:
            remove_sweep(data, sweep)
            return [], []
        present = folders(data, found)
        _refuse_living(sweep, present)
        kept = set(found.reused.values()) | reused_by_others(data, sweep)
        leaving = [folder for folder in present if runs and folder.run not in kept]
        if leaving:  # killed in the middle it makes no more runs
            write_sweep(data, dataclasses.replace(found.opened(False), complete=True))
        for folder in leaving:
            if folder.status() == "queued":
                control.stop(folder, Local())
        _refuse_living(sweep, leaving)
        for folder in leaving:
            control.delete(folder)
        remove_sweep(data, sweep)
        gone = {folder.run for folder in leaving}
        return sorted(gone), [folder.run for folder in present if folder.run not in gone]


def _refuse_living(sweep: str, some: list[RunFolder]) -> None:
    if living := [folder.run for folder in some if folder.status() not in (*ENDED, "queued")]:
        raise Refused(f"{sweep}: {living[0]} still goes on; stop the sweep first, then delete it.")
