"""Local executor: a plain process per run, or per stack of runs, in a session of its own, so that it outlives the server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.core import started
from engine.core.disk import refused
from engine.core.environment import for_workers
from engine.core.files import regular
from engine.core.locks import RunLock
from engine.core.paths import ROOT
from engine.runs.folder import RunFolder
from engine.runs.tell_end import tell_end
from engine.scheduler.executor import DataUnknown, Urgency

GONE = "The worker is gone and left no word: it was killed, or the machine went down."
COPIED = "No worker minds this folder: it is a copy, made while the original was running."
PATIENCE = 300.0  # seconds for importing torch and reading the data on the slowest machine we serve


class Local:
    """`command` replaces the worker's command line in tests; the folders of its runs are appended to it."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self.command = list(command or (sys.executable, "-m", started.WORKER))
        self._children: dict[str, tuple[int, RunLock]] = {}
        self._untold: dict[str, tuple[int, RunLock]] = {}  # run -> exit code that a full disk did not take; its lock says "not lost"
        self._sent: dict[str, int] = {}  # the last signal sent to a worker, whoever started it
        self._lock = threading.Lock()

    def start(self) -> None:
        """A plain process needs no preparation."""

    @property
    def ready(self) -> bool:
        return True

    def current(self) -> bool:
        return True  # a plain process reads the code afresh

    def submit(self, folder: RunFolder, lock: RunLock, environment: Mapping[str, str]) -> None:
        self.submit_together([folder], [lock], environment)

    def submit_together(self, folders: Sequence[RunFolder], locks: Sequence[RunLock], environment: Mapping[str, str]) -> None:
        try:
            with open(folders[0].path / "out.log", "ab", opener=regular) as out:
                child = subprocess.Popen(
                    [*self.command, *(str(folder.path.resolve()) for folder in folders)],
                    cwd=ROOT,
                    env=for_workers(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[lock.fd for lock in locks],
                )
        except OSError as error:
            for folder, lock in zip(folders, locks, strict=True):
                if not refused(error):
                    folder.write_exit("failed", message=f"The worker could not be started: {error}.")
                lock.release()
            if refused(error):
                raise  # it waits in the queue until there is room
            return
        child.returncode = 0  # reaped by pid in `status`; Popen must neither wait for it nor warn about it
        stack = [folder.run for folder in folders] if len(folders) > 1 else []
        for folder, lock in zip(folders, locks, strict=True):
            self._children[folder.run] = (child.pid, lock)
            with contextlib.suppress(OSError):  # a full disk: the worker finds the same, and says so
                folder.write_process(child.pid, environment.get("CUDA_VISIBLE_DEVICES", ""), stack)

    def measure(self, folders: Sequence[RunFolder]) -> Callable[[], bool]:
        environment = for_workers({**on_cpu(folders[0]), "OMP_NUM_THREADS": "1"})
        command = [sys.executable, "-m", started.STACKING, *(str(folder.path.resolve()) for folder in folders)]
        quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            child = subprocess.Popen(command, cwd=ROOT, env=environment, **quiet)
        except OSError:
            return lambda: True
        return lambda: child.poll() is not None

    def status(self, folder: RunFolder) -> str:
        with self._lock:
            child = self._children.get(folder.run)
            if child:
                self._collect_exit(folder, *child)
            if folder.run in self._untold:
                self._tell_end(folder)
        status = folder.status()
        if status == "lost" and folder.exit() is None:
            if folder.run in self._sent:
                tell_end(folder, -self._sent[folder.run])
            process = folder.process()
            folder.write_exit("lost", message=COPIED if process is not None and process.alive() else GONE)
            return folder.status()
        return status

    def end_of(self, folder: RunFolder) -> int | None:
        untold = self._untold.get(folder.run)
        return untold[0] if untold else None

    def stop(self, folder: RunFolder, urgency: Urgency) -> None:
        if urgency == "ask":
            if not (folder.path / "STOP").exists():  # asking again must not postpone the signals
                (folder.path / "STOP").touch()
            return
        process = folder.process()
        if process is None or not process.holds(folder.path / "claim"):
            return
        try:
            self._sent[folder.run] = signal.SIGTERM if urgency == "terminate" else signal.SIGKILL
            if urgency == "terminate":
                os.kill(process.pid, signal.SIGTERM)
            else:
                os.killpg(process.pid, signal.SIGKILL)  # the worker leads its session: its helpers go with it
        except ProcessLookupError:
            return

    def logs(self, folder: RunFolder, most: int | None = None) -> list[str]:
        return folder.log(most)

    def data_today(self, folder: RunFolder) -> dict[str, Any]:
        command = [sys.executable, "-m", started.DATA_TODAY, str(folder.path.resolve())]
        environment = for_workers({**on_cpu(folder), "OMP_NUM_THREADS": "1"})
        try:
            told = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
            return data_of(json.loads(told.stdout.decode().splitlines()[-1]))
        except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
            raise DataUnknown(f"the process that reads it ended with {type(error).__name__}") from None

    def close(self) -> None:
        """Leave the living workers alone; they hold their own locks."""
        with self._lock:
            for _, lock in (*self._children.values(), *self._untold.values()):
                lock.release()
            self._children.clear()
            self._untold.clear()

    def _collect_exit(self, folder: RunFolder, pid: int, lock: RunLock) -> None:
        """A worker's end is that of all its runs; before, one that has ended is let go while another one is still minded."""
        runs = [run for run, child in self._children.items() if child[0] == pid]
        try:
            done, wait = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            done, wait = pid, None
        if not done:
            if folder.exit() is not None and any(self._children[run][1].fd >= 0 for run in runs if run != folder.run):
                lock.release()
            return
        for run in runs:
            _, held = self._children.pop(run)
            if wait is None:
                held.release()
            elif held.fd >= 0:
                self._untold[run] = (os.waitstatus_to_exitcode(wait), held)

    def _tell_end(self, folder: RunFolder) -> None:
        """Once, or again and again while the disk takes nothing."""
        code, lock = self._untold[folder.run]
        if folder.path.is_dir():
            tell_end(folder, code)
        del self._untold[folder.run]
        lock.release()


def on_cpu(folder: RunFolder) -> dict[str, str]:
    """The environment of a process that reads a run's data: its data folder, and no GPU."""
    return {"CUDA_VISIBLE_DEVICES": "", "FAULTLINE_DATA": str(folder.path.resolve().parent.parent)}


def data_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The data of an answer (engine/worker/data_today.py)."""
    if "data" not in answer:
        raise DataUnknown(str(answer.get("problem")))
    return dict(answer["data"])
