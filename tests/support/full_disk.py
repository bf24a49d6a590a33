"""A disk that is full when a test wants it: a small tmpfs where this machine lets us mount one, else errors in the places that write.

WAY says which of the two it is.  Cases run in a process of their own (tests/faults/full_disk/), whose mounts nobody else sees.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.core import files
from engine.runs.spool import Spool

SIZE = "16m"
FLAG = "FAULTLINE_TEST_FULL"  # a file; while it is there, this process and its workers are refused every write


@lru_cache(maxsize=1)
def way() -> str:
    """ "tmpfs" or "injected"."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return "injected"
    return "tmpfs" if done.returncode == 0 else "injected"


def alone(command: list[str]) -> list[str]:
    """`command` in a process that may mount what it likes."""
    return ["unshare", "-m", *command] if way() == "tmpfs" else command


class Disk:
    """The disk under `path`.  `fill` leaves not a byte, `free` gives back what it took."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if way() == "tmpfs":
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)], check=True)
        else:
            os.environ[FLAG] = str(path.parent / f"{path.name}.full")
            refuse_as_told()

    def fill(self) -> None:
        if way() == "injected":
            Path(os.environ[FLAG]).touch()
            return
        with open(self.path / "ballast", "ab", buffering=0) as ballast:
            for piece in (2**16, 2**12, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(b"x" * piece):
                        pass

    def free(self) -> None:
        (Path(os.environ[FLAG]) if way() == "injected" else self.path / "ballast").unlink(missing_ok=True)

    def read_only(self, *, on: bool = True) -> None:
        subprocess.run(["mount", "-o", f"remount,{'ro' if on else 'rw'}", str(self.path)], check=True)

    def close(self) -> None:
        if way() == "tmpfs":
            subprocess.run(["umount", "-l", str(self.path)], check=True)
        else:
            self.free()
            del os.environ[FLAG]


def refuse_as_told() -> None:
    """Refuse what this process writes while the file that FLAG names is there; nothing where it names none."""
    flag = os.environ.get(FLAG)
    if flag is None or hasattr(files.replace, "refusing"):
        return

    def full() -> bool:
        return os.path.exists(os.environ.get(FLAG, ""))

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def guard(*given: Any, **named: Any) -> Any:
            if full():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*given, **named)

        guard.refusing = True  # type: ignore[attr-defined]
        return guard

    replace, write, usage = files.replace, Spool._write, shutil.disk_usage
    for module in list(sys.modules.values()):
        if getattr(module, "replace", None) is replace:
            module.replace = guarded(replace)  # type: ignore[attr-defined]

    def refused(spool: Spool, data: bytes) -> bool:
        spool.dropped += full()
        return not full() and write(spool, data)

    Spool._write = refused  # type: ignore[method-assign]
    shutil.disk_usage = lambda path: usage(path)._replace(free=0) if full() else usage(path)  # type: ignore[assignment]
