"""The process of a worker: told apart from a later one of its number, and from the worker of another folder."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from engine.core import started

NOBODY = 0  # instead of a process id


class Process(NamedTuple):
    """A process that cannot be mistaken for a later one of the same number.

    `created` is unix time, for people: it moves when the clock is set.  `ticks` since the boot `boot` does
    not, and is what counts where the kernel tells it.
    """

    pid: int
    created: float
    ticks: int = 0
    boot: str = ""

    @classmethod
    def of(cls, pid: int) -> Process:
        return cls(pid, psutil.Process(pid).create_time(), _ticks(pid), _boot())

    def state(self) -> Literal["alive", "dead", "unknown"]:
        """Alive: same pid, same creation time, not a zombie.  Unknown where the system refuses to tell: nobody may call that lost."""
        if self.pid == NOBODY:
            return "dead"
        try:
            found = psutil.Process(self.pid)
            if self.ticks and self.boot:
                same = (self.ticks, self.boot) == (_ticks(self.pid), _boot())
            else:
                same = abs(found.create_time() - self.created) < 1e-3
            return "alive" if same and found.status() != psutil.STATUS_ZOMBIE else "dead"
        except psutil.NoSuchProcess:
            return "dead"
        except (psutil.Error, PermissionError):
            return "unknown"

    def alive(self) -> bool:
        return self.state() == "alive"

    def holds(self, lock: Path) -> bool:
        """Surely the worker that this run's lock (`runs/<id>/claim`) was given to: a signal sent to it reaches no other.

        It is alive, of this user, and has the locked file open; where the system does not list the open files of a process,
        its command line must name the worker or the fork server.
        """
        if not self.alive():
            return False
        try:
            if psutil.Process(self.pid).uids().real not in (os.getuid(), os.geteuid()):
                return False
            if not os.path.isdir("/proc/self/fd"):
                return bool({started.WORKER, started.FORK_SERVER} & set(psutil.Process(self.pid).cmdline()))
            file, fds = os.lstat(lock), f"/proc/{self.pid}/fd"
            return any(_is_open(f"{fds}/{n}", file) for n in os.listdir(fds))
        except (OSError, psutil.Error):
            return False


def _is_open(fd: str, file: os.stat_result) -> bool:
    """Whether this descriptor of a process is of that file; one that was closed meanwhile is not."""
    try:
        return os.path.samestat(os.stat(fd), file)
    except FileNotFoundError:
        return False


def _ticks(pid: int) -> int:
    """When a process began, in clock ticks since the machine was started; 0 where the kernel does not tell (proc(5), field 22).

    PermissionError where it does not tell us.
    """
    try:
        told = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except PermissionError:
        raise
    except OSError:
        return 0
    return int(told.rpartition(")")[2].split()[19])


@lru_cache(maxsize=1)
def _boot() -> str:
    """The kernel's name for the time since the machine was started."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
