"""The folder of one run: its files, how they are written, and what they say about its status.

A folder with a declaration is a queued run, which engine/scheduler/supervisor.py starts.

    spec.json    format, the declaration (nested), edition of the lab, who,  written before anything starts
                 parent, preset, sweep, identity, code, created
    proc.json    pid, creation time and boot of the worker, its GPU, stack  written by whoever starts it
    state.json   step, steps, phase, step_seconds, dropped, attempt          written by the worker, twice a second at most
    exit.json    status, code, signal, says, ended, step, dropped            written by the worker, or for it when it died
    exit.room    nothing: blocks for exit.json, should the disk be full      made with the run, gone when its end is told
    claim        locked by whoever starts or minds the run, and its worker   see engine/core/locks.py
    spool.<attempt>.bin, out.log, ckpt/, images/, provenance.json, STOP, HOLD

No reader ever sees half of one of the JSON files (engine/core/files.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.core.disk import why
from engine.core.files import as_json, keep_room, read_json, regular, use_room, write_json
from engine.core.locks import is_locked
from engine.core.paths import private_folder
from engine.runs import checked, formats
from engine.runs.ending import ENDS, signal_name
from engine.runs.process import NOBODY, Process

SMALL = 256 * 2**10  # bytes of a JSON file of a run
PROVENANCE = 2**20  # bytes of its provenance.json
NOWHERE = Process(NOBODY, 0.0)
LOG = 256 * 2**10  # bytes of out.log that are read, from its end
ROOM, LONGEST = 4096, 320  # bytes kept for exit.json; characters of its sentence, which may take twelve bytes each
PREPARED = ".new-"  # begins the name of a run's folder until it holds its declaration
RUN_ID = re.compile(r"^\d{8}-\d{6}-[a-z0-9_]+-[0-9a-f]{4}$")


@lru_cache(maxsize=4096)
def _unreadable(path: Path, _written: int, _inode: int) -> str:
    """A declaration never changes, and its run's status is asked for ten times a second."""
    found = read_json(path, SMALL)
    return formats.problem(found) if found is not None else f"its spec.json is no JSON object in a regular file of at most {SMALL} bytes"


@lru_cache(maxsize=4096)
def _declaration(path: Path, _written: int, _changed: int, _inode: int, _format: int) -> dict[str, Any] | None:
    """As `spec` says it: a queue of a hundred runs is sorted ten times a second.  Empty for one that cannot be read, None for no object."""
    found = read_json(path, SMALL)
    return None if found is None else {} if formats.problem(found) else formats.migrated(found)


class RunFolder:
    """One run on disk, read afresh at every question."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def run(self) -> str:
        return self.path.name

    def identity(self) -> tuple[int, int] | None:
        """Which folder of the disk this is (device, inode), or None where it is gone."""
        try:
            looks = os.stat(self.path)
        except OSError:
            return None
        return looks.st_dev, looks.st_ino

    def spec(self) -> dict[str, Any] | None:
        """The declaration in the words of today's format; of an unreadable run only what its id says, with empty knobs.

        Its `run` is the folder's name, whatever the file says: a copied folder is a run of its own.
        """
        try:
            looks = os.lstat(self.path / "spec.json")
            found = _declaration(self.path / "spec.json", looks.st_mtime_ns, looks.st_ctime_ns, looks.st_ino, formats.FORMAT)
        except OSError:
            found = None
        if found is None:
            return {**self._of_its_id(), "run": self.run} if self.unreadable() else None
        if not found:
            return {**self._of_its_id(), "run": self.run}
        knobs = {name: dict(value) if isinstance(value, dict) else value for name, value in found["knobs"].items()}
        return {**found, "knobs": knobs, "run": self.run}

    def declared(self) -> bool:
        """Whether it is a run: it holds a declaration, readable or not; before that its folder is only being made."""
        return os.path.lexists(self.path / "spec.json") or bool(self.unreadable())

    def unreadable(self) -> str:
        """Why the declaration cannot be read by this Faultline, in one sentence; empty for one that can."""
        if self.path.is_symlink():
            return "its folder is a link, and links are not followed"
        try:
            looks = os.lstat(self.path / "spec.json")
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            return f"its folder cannot be read ({error.strerror})"
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
        """What the worker said last, at its end in exit.json; nothing of an unreadable run."""
        if self.unreadable():
            return {}
        return {**checked.state_said(read_json(self.path / "state.json", SMALL) or {}), **last_of(self.exit() or {})}

    def provenance(self) -> dict[str, Any]:
        """What it was computed with (engine/worker/provenance.py); nothing of an unreadable run, or while that is not known."""
        return {} if self.unreadable() else checked.provenance_said(read_json(self.path / "provenance.json", PROVENANCE) or {})

    def exit(self) -> dict[str, Any] | None:
        """How it ended, or None; an exit.json that gives no end of a run counts as lost, and says so."""
        told = read_json(self.path / "exit.json", SMALL)
        if told is None and not os.path.lexists(self.path / "exit.json"):
            return None
        if told is None or told.get("status") not in tuple(ENDS):
            return {"status": "lost", "code": None, "signal": None, "says": "Its exit.json gives no end that a run can have."}
        return checked.end_said(told)

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

    def write_process(self, pid: int, gpu: str = "", stack: Sequence[str] = ()) -> None:
        """`stack`: the runs that the worker trains together, this one among them; empty for a run of its own."""
        write_json(self.path / "proc.json", {**Process.of(pid)._asdict(), "gpu": gpu, "stack": list(stack)})

    def stack(self) -> list[RunFolder]:
        """The other runs of its worker, as long as that minds them."""
        found = read_json(self.path / "proc.json", SMALL) or {}
        named = found.get("stack") if isinstance(found.get("stack"), list) else []
        others = (self.path.with_name(run) for run in named if isinstance(run, str) and RUN_ID.match(run))
        same = (RunFolder(path) for path in others if path != self.path)
        return [run for run in same if (run.process() or NOWHERE).pid == found.get("pid") and run.exit() is None]

    def gpu(self) -> str:
        """The CUDA_VISIBLE_DEVICES its worker was started with."""
        return str((read_json(self.path / "proc.json", SMALL) or {}).get("gpu", ""))

    def keep_room(self) -> None:
        """Keep room for the end of the run, which a full disk would otherwise take no more.  OSError where there is none."""
        keep_room(self.path / "exit.room", ROOM)

    def write_exit(self, status: str, *, code: int | None = None, by_signal: int | None = None, message: str = "", **last: int) -> None:
        """The end of a run, told once: a second telling is ignored, so a worker's own word stands.

        `last`: step and dropped, where the worker says them; state.json may be behind.  OSError where the disk takes nothing and no
        room was kept: whoever knows the end tells it again.
        """
        if status not in ENDS:
            raise ValueError(f"{status!r} is no end of a run; allowed are {', '.join(sorted(ENDS))}.")
        if (self.path / "exit.json").exists():
            return
        name = signal_name(by_signal) if by_signal else None
        end = {"status": status, "code": code, "signal": name, "says": message[:LONGEST], "ended": time.time(), **last}
        room = self.path / "exit.room"
        try:
            write_json(self.path / "exit.json", end)
        except OSError as refusal:
            try:
                use_room(room, self.path / "exit.json", as_json(end))
            except OSError:
                raise refusal from None
        room.unlink(missing_ok=True)

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
        if not self._minded(process):
            told = self.exit()  # it may have ended between the two looks
            return str(told["status"]) if told else "lost"
        return "held" if (self.path / "HOLD").exists() else "running"

    def _minded(self, process: Process) -> bool:
        """Whether its worker lives, which holds the lock, or its starter is about to tell how that one ended.

        A living process of that number without the lock is the worker of another folder, of which this one is a copy.
        """
        return is_locked(self.path / "claim") or process.state() == "unknown"

    def log(self, most: int | None = None) -> list[str]:
        """The worker's output, its last `most` lines, out of the last LOG bytes."""
        try:
            with open(self.path / "out.log", "rb", opener=regular) as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LOG))
                lines = file.read(LOG).decode(errors="replace").splitlines()
        except OSError:
            return []
        return lines if most is None else lines[-most:]


def last_of(end: dict[str, Any]) -> dict[str, int]:
    """How far a run had come and what the disk had refused, of an exit.json that says it."""
    return {name: end[name] for name in ("step", "dropped") if checked.whole(end.get(name))}


def reserve(data: Path, lab: str) -> RunFolder:
    """A new run's folder with its id, still without a declaration and so not yet a run.  OSError, in one sentence."""
    runs = data / "runs"
    try:
        private_folder(runs)
        while True:
            run = _new_id(lab)
            with contextlib.suppress(FileExistsError):
                (runs / run).mkdir()
                return RunFolder(runs / run)
    except OSError as error:
        raise _not_written(data, error) from error


def _not_written(data: Path, error: OSError) -> OSError:
    return OSError(f"The run could not be written to {data}: {why(error)}.")


def new_run(data: Path, lab: str, spec: dict[str, Any], folder: RunFolder | None = None) -> RunFolder:
    """Write the declaration of a new run: complete or not there at all, whatever kills the writer.  OSError, in one sentence.

    `folder`: reserved for it before; a kill may leave such a folder empty.
    """
    made = folder or _prepare(data, lab)
    try:
        made.keep_room()
        run = made.run.removeprefix(PREPARED)
        write_json(made.path / "spec.json", {"run": run, "lab": lab, "format": formats.FORMAT, **spec, "created": time.time()})
        if folder is None:
            os.rename(made.path, made.path.with_name(run))
    except OSError as error:
        shutil.rmtree(made.path, ignore_errors=True)
        raise _not_written(data, error) from error
    return RunFolder(made.path.with_name(run))


def _prepare(data: Path, lab: str) -> RunFolder:
    """A folder that nobody takes for a run, to be renamed to one once it holds a declaration.  OSError, in one sentence."""
    runs = data / "runs"
    try:
        private_folder(runs)
        while True:
            run = _new_id(lab)
            with contextlib.suppress(FileExistsError):
                if not os.path.lexists(runs / run):
                    (runs / f"{PREPARED}{run}").mkdir()
                    return RunFolder(runs / f"{PREPARED}{run}")
    except OSError as error:
        raise _not_written(data, error) from error


def _new_id(lab: str) -> str:
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{lab}-{secrets.token_hex(2)}"


def run_folder(data: Path, run: str) -> RunFolder:
    """The folder of a run by id.  KeyError, in one sentence, for an id of the wrong form or that does not exist."""
    if not RUN_ID.match(run) or not RunFolder(data / "runs" / run).declared():
        raise KeyError(f'No run "{run}" in {data / "runs"}; `python -m engine runs` lists them.')
    return RunFolder(data / "runs" / run)


def all_runs(data: Path) -> list[RunFolder]:
    """Every run folder that holds a declaration, oldest first."""
    try:
        names = sorted(n for n in os.listdir(data / "runs") if RUN_ID.match(n))
    except OSError:
        return []
    return [folder for folder in (RunFolder(data / "runs" / name) for name in names) if folder.declared()]
