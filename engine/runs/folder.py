"""The folder of one run: its files, how they are written, and what they say about its status.

A folder with a declaration is a queued run, which engine/scheduler/supervisor.py starts.

    spec.json    format, the declaration (nested), edition of the lab, who,  written before anything starts
                 parent, preset, created
    proc.json    pid, creation time and boot of the worker, its GPU          written by whoever starts it
    state.json   step, steps, phase, step_seconds, dropped, attempt          written by the worker, twice a second at most
    exit.json    status, code, signal, says, ended                           written by the worker, or for it when it died
    claim        locked by whoever starts or minds the run, and its worker   see engine/core/locks.py
    spool.<attempt>.bin, out.log, ckpt/, images/, provenance.json, STOP, HOLD

No reader ever sees half of one of the JSON files (engine/core/files.py).
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil

from engine.core.files import read_json, regular, write_json
from engine.core.locks import is_locked
from engine.core.paths import private_folder
from engine.runs import formats
from engine.runs.ending import ENDS

SMALL = 256 * 2**10  # bytes of a JSON file of a run
LOG = 256 * 2**10  # bytes of out.log that are read, from its end
NOBODY = 0  # instead of a process id
RUN_ID = re.compile(r"^\d{8}-\d{6}-[a-z0-9_]+-[0-9a-f]{4}$")


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
        """Surely alive: a signal sent to it reaches no other."""
        return self.state() == "alive"


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


@lru_cache(maxsize=4096)
def _unreadable(path: Path, _written: int, _inode: int) -> str:
    """A declaration never changes, and its run's status is asked for ten times a second."""
    found = read_json(path, SMALL)
    return formats.problem(found) if found is not None else f"its spec.json is no JSON object in a regular file of at most {SMALL} bytes"


@lru_cache(maxsize=1)
def _boot() -> str:
    """The kernel's name for the time since the machine was started."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class RunFolder:
    """One run on disk, read afresh at every question."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def run(self) -> str:
        return self.path.name

    def spec(self) -> dict[str, Any] | None:
        """The declaration in the words of today's format; of an unreadable run only what its id says, with empty knobs.

        Its `run` is the folder's name, whatever the file says: a copied folder is a run of its own.
        """
        found = read_json(self.path / "spec.json", SMALL)
        if found is None:
            return {**self._of_its_id(), "run": self.run} if self.unreadable() else None
        return {**(self._of_its_id() if formats.problem(found) else formats.migrated(found)), "run": self.run}

    def unreadable(self) -> str:
        """Why the declaration cannot be read by this Faultline, in one sentence; empty for one that can."""
        try:
            looks = os.lstat(self.path / "spec.json")
        except OSError:
            return ""
        return _unreadable(self.path / "spec.json", looks.st_mtime_ns, looks.st_ino)

    def _of_its_id(self) -> dict[str, Any]:
        day, second, lab, _ = self.run.split("-")
        try:
            created = time.mktime(time.strptime(day + second, "%Y%m%d%H%M%S"))
        except ValueError:  # digits that are no date
            created = None
        unknown = dict.fromkeys(("edition", "preset", "who", "parent", "twin", "sweep"))
        return {"run": self.run, "lab": lab, "format": formats.FORMAT, "knobs": {}, **unknown, "created": created}

    def state(self) -> dict[str, Any]:
        """What the worker said last; nothing of an unreadable run."""
        return {} if self.unreadable() else read_json(self.path / "state.json", SMALL) or {}

    def exit(self) -> dict[str, Any] | None:
        """How it ended, or None; an exit.json that gives no end of a run counts as lost, and says so."""
        told = read_json(self.path / "exit.json", SMALL)
        if told is None and not os.path.lexists(self.path / "exit.json"):
            return None
        if told is None or told.get("status") not in tuple(ENDS):
            return {"status": "lost", "code": None, "signal": None, "says": "Its exit.json gives no end that a run can have."}
        return told if isinstance(told.get("says", ""), str) else {**told, "says": ""}

    def process(self) -> Process | None:
        """Its worker as it was started, or None; a proc.json that names no process counts as one that has gone."""
        found = read_json(self.path / "proc.json", SMALL)
        if found is None and not os.path.lexists(self.path / "proc.json"):
            return None
        found = found or {}
        pid, created, ticks = found.get("pid"), found.get("created"), found.get("ticks") or 0
        if type(pid) is not int or not 0 < pid < 2**31 or type(created) not in (int, float) or type(ticks) is not int:
            return Process(NOBODY, 0.0)
        return Process(pid, float(created), ticks, str(found.get("boot") or ""))

    def write_process(self, pid: int, gpu: str = "") -> None:
        write_json(self.path / "proc.json", {**Process.of(pid)._asdict(), "gpu": gpu})

    def gpu(self) -> str:
        """The CUDA_VISIBLE_DEVICES its worker was started with."""
        return str((read_json(self.path / "proc.json", SMALL) or {}).get("gpu", ""))

    def write_exit(self, status: str, *, code: int | None = None, by_signal: int | None = None, message: str = "") -> None:
        """The end of a run, told once: a second telling is ignored, so a worker's own word stands."""
        if status not in ENDS:
            raise ValueError(f"{status!r} is no end of a run; allowed are {', '.join(sorted(ENDS))}.")
        if not (self.path / "exit.json").exists():
            name = signal.Signals(by_signal).name if by_signal else None
            told = {"status": status, "code": code, "signal": name, "says": message, "ended": time.time()}
            write_json(self.path / "exit.json", told)

    def status(self) -> str:
        """One of STATUSES (engine/runs/ending.py).  A worker that is gone without a word is "lost"."""
        if self.unreadable():
            return "unreadable"
        told = self.exit()
        if told is not None:
            return str(told["status"])
        process = self.process()
        if process is None:
            return "queued"
        if process.state() == "dead" and not is_locked(self.path / "claim"):  # while locked, its starter is about to tell how it ended
            told = self.exit()  # it may have ended between the two looks
            return str(told["status"]) if told else "lost"
        return "held" if (self.path / "HOLD").exists() else "running"

    def log(self, most: int | None = None) -> list[str]:
        """The worker's output, its last `most` lines, out of the last LOG bytes."""
        try:
            with open(self.path / "out.log", "rb", opener=regular) as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LOG))
                lines = file.read(LOG).decode(errors="replace").splitlines()
        except OSError:
            return []
        return lines if most is None else lines[-most:]


def reserve(data: Path, lab: str) -> RunFolder:
    """A new run's folder with its id, still without a declaration and so not yet a run."""
    runs = data / "runs"
    private_folder(runs)
    while True:
        run = f"{time.strftime('%Y%m%d-%H%M%S')}-{lab}-{secrets.token_hex(2)}"
        try:
            (runs / run).mkdir()
        except FileExistsError:
            continue
        return RunFolder(runs / run)


def new_run(data: Path, lab: str, spec: dict[str, Any], folder: RunFolder | None = None) -> RunFolder:
    """Write the declaration of a new run (in a reserved folder): complete or not there at all."""
    folder = folder or reserve(data, lab)
    write_json(folder.path / "spec.json", {"run": folder.run, "lab": lab, "format": formats.FORMAT, **spec, "created": time.time()})
    return folder


def run_folder(data: Path, run: str) -> RunFolder:
    """The folder of a run by id.  KeyError, in one sentence, for an id of the wrong form or that does not exist."""
    if not RUN_ID.match(run) or not (data / "runs" / run / "spec.json").is_file():
        raise KeyError(f'No run "{run}" in {data / "runs"}; `python -m engine runs` lists them.')
    return RunFolder(data / "runs" / run)


def all_runs(data: Path) -> list[RunFolder]:
    """Every run folder that holds a declaration, oldest first."""
    try:
        names = sorted(n for n in os.listdir(data / "runs") if RUN_ID.match(n))
    except OSError:
        return []
    return [RunFolder(data / "runs" / n) for n in names if (data / "runs" / n / "spec.json").is_file()]
