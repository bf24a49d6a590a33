"""Executors start workers somewhere and speak four verbs: submit, status, stop, logs.  One file each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from engine.core.locks import RunLock
from engine.runs.folder import RunFolder

Urgency = Literal["ask", "terminate", "kill"]


class DataUnknown(RuntimeError):
    """Nobody can tell what a run would be trained on; the message is a sentence without its full stop."""


class Executor(Protocol):
    """The worker's entry point and the run's folder are the same everywhere; only the starting differs."""

    def start(self) -> None:
        """Get ready in the background; returns at once."""

    @property
    def ready(self) -> bool:
        """True when `submit` starts a worker at once; until then runs wait in the queue."""

    def current(self) -> bool:
        """True when a child can be had at once that runs the code on disk; what holds older code in memory is replaced."""

    def submit(self, folder: RunFolder, lock: RunLock, environment: Mapping[str, str]) -> None:
        """Start the worker of a run whose lock is held and write proc.json.  From here on the lock is the executor's."""

    def submit_together(self, folders: Sequence[RunFolder], locks: Sequence[RunLock], environment: Mapping[str, str]) -> None:
        """The same for several runs that one worker trains together (engine/declare/stacks.py)."""

    def measure(self, folders: Sequence[RunFolder]) -> Callable[[], bool]:
        """Begin to measure in a process of its own whether these runs train faster together -> whether that is over."""

    def status(self, folder: RunFolder) -> str:
        """The run's status now; tells the end of a worker that died without a word of its own."""

    def end_of(self, folder: RunFolder) -> int | None:
        """The exit code of a worker whose end a full disk has not taken yet, where this process knows it."""

    def stop(self, folder: RunFolder, urgency: Urgency) -> None:
        """Ask by the STOP file (the worker writes a checkpoint), terminate by SIGTERM, or kill."""

    def logs(self, folder: RunFolder, most: int | None = None) -> list[str]:
        """The worker's output, its last `most` lines."""

    def data_today(self, folder: RunFolder) -> dict[str, Any]:
        """The provenance of the data that a worker of this run would find where workers are started.  DataUnknown.

        Labs hash their data with torch loaded, so a process of its own computes it: the server imports no torch.
        """

    def close(self) -> None:
        """Let go; living workers go on."""
