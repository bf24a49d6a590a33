"""One run among those that a worker trains together: its beginning, its orders and its end are those of every run."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from engine.labs.lab import Lab
from engine.runs.ending import CODES
from engine.runs.folder import RunFolder
from engine.worker.begin import Begun, close
from engine.worker.callback import Control
from engine.worker.life import sentence
from engine.worker.observer import Observer
from engine.worker.progress import Last, Progress


class MemberControl(Control):
    """A run that is held holds all of its stack, which looks at HOLD itself (engine/worker/stack.py)."""

    def stay_while_held(self) -> None:
        """Nothing waits in the middle of a step of others."""

    def held(self) -> bool:
        return (self.folder.path / "HOLD").exists()


class Seat:
    """A run's folder in a stack, before and after it trains: how it began and how it ended."""

    def __init__(self, folder: RunFolder, lab: Lab) -> None:
        self.folder, self.lab, self.last = folder, lab, Last()
        self.identity = folder.identity()
        self.status = ""  # of the end, once there is one
        self.written = False  # and whether the disk has taken it

    def end(self, status: str, message: str = "") -> None:
        """Told once; from here on nothing of this worker touches the folder, so the run may be resumed by another one."""
        if self.status:
            return
        self.status = status
        if self.folder.identity() == self.identity:
            with contextlib.suppress(OSError):  # whoever started us tells it by our exit code
                self.folder.write_exit(status, code=CODES[status], message=message, step=self.last.step, dropped=self.last.dropped)
                self.written = True
        if self.written:
            let_go(self.folder)

    def fail(self, error: BaseException) -> None:
        """What went wrong stands in the run's own log."""
        told = "".join(traceback.format_exception(error))
        sys.stderr.write(f"{self.folder.run} leaves the stack.\n{told}")
        with contextlib.suppress(OSError), open(self.folder.path / "out.log", "a", encoding="utf-8", errors="replace") as log:
            log.write(told)
        self.end("failed", sentence(error))


def let_go(folder: RunFolder) -> None:
    """Close this process's share of the run's lock, which it inherited from whoever started it."""
    with contextlib.suppress(OSError):
        looks = os.stat(folder.path / "claim")
        for number in map(int, os.listdir("/dev/fd")):
            with contextlib.suppress(OSError):
                if number > 2 and os.path.samestat(os.fstat(number), looks):
                    os.close(number)


class Member(ABC):
    """A run that trains: what its checkpoint, its last evaluation and its control need (engine/worker/callback.py, Steps)."""

    observer: Observer

    def __init__(self, seat: Seat, begun: Begun) -> None:
        self.seat, self.lab, self.folder = seat, seat.lab, seat.folder
        self.control = MemberControl(begun.folder, begun.progress, begun.control.stop_requested, begun.attempt, seat.last)
        self.begun = replace(begun, control=self.control)
        self.progress: Progress = begun.progress
        self.spool = begun.spool()

    def evaluate(self) -> None:
        """After the last step; of a member without a model there is nothing to evaluate."""
        return

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """For a checkpoint that a run of its own goes on from."""

    def heed_divergence(self) -> None:
        fatal = self.observer.fatal
        if fatal is not None and self.lab.on_divergence == "stop" and self.progress.end_after is None:
            self.progress.end_after = fatal.step + 1 + self.observer.lag

    def conclude(self) -> None:
        """It is over for this member: evaluate or save, and tell the end."""
        with self.alone():
            self.control.conclude(self)
            close(self.spool)
            self.seat.end(self.control.ending, self.seat.last.message)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """What goes wrong with one member ends this one and no other."""
        try:
            yield
        except Exception as error:
            self.break_off(error)

    def break_off(self, error: Exception) -> None:
        with contextlib.suppress(Exception):
            self.control.keep(self, error)
        close(self.spool)
        self.seat.fail(error)


def each(members: list[Any], do: Callable[[Any], object]) -> None:
    """For every member that has not ended; one that fails has ended then."""
    for member in members:
        if not member.seat.status:
            with member.alone():
                do(member)


def own(state: Any) -> Any:
    """A copy of every tensor in a state."""
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return type(state)((key, own(value)) for key, value in state.items())
    return [own(value) for value in state] if isinstance(state, list) else state
