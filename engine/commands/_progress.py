"""The moving lines on stderr, when a person is looking: of a waiting `run`, and of an index that is made."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from engine.index.owner import IndexOwner
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.runs.sweep_file import Sweep
from engine.scheduler.sweep_control import counted

EVERY = 0.2  # seconds between two drawings


class IndexProgress:
    """How many runs are in the index, when a person is looking and it takes more than a moment."""

    def __init__(self) -> None:
        self._next = time.monotonic() + EVERY
        self._drawn = False

    def tell(self, done: int, of: int) -> None:
        if of and sys.stderr.isatty() and time.monotonic() >= self._next:
            self._next, self._drawn = time.monotonic() + EVERY, True
            sys.stderr.write(f"\r\x1b[KReading the runs: {done:,} of {of:,}")
            sys.stderr.flush()

    def close(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class SweepProgress:
    """How many runs of a sweep have ended, run and wait, when a person is looking."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.active = sweep.id, sys.stderr.isatty()
        self._message, self._next = "", 0.0

    def say(self, message: str) -> None:
        self._message, self._next = message, 0.0

    def show(self, statuses: Mapping[str, str]) -> None:
        if self.active and time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            counts = counted(statuses)
            ended = sum(one in ENDED for one in statuses.values())
            parts = [f"{self.sweep}: {self._message}".rstrip(), f"{ended} of {len(statuses)} ended"]
            parts += [f"{count} {word}" for word, count in counts.items() if word not in ("finished", "queued")]
            parts += [f"{counts['queued']} waiting"] if "queued" in counts else []
            sys.stderr.write(f"\r\x1b[K{'  '.join(parts)}")
            sys.stderr.flush()

    def close(self) -> None:
        if self.active:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class Progress:
    """Step, loss and remaining time; the loss comes from the owner's news, the rest from state.json."""

    def __init__(self, folder: RunFolder, owner: IndexOwner) -> None:
        self.folder, self.active = folder, sys.stderr.isatty()
        self._loss: Any = None
        self._message, self._next = "", 0.0
        self._unsubscribe = owner.subscribe({folder.run}, self._hear) if self.active else lambda: None

    def say(self, message: str) -> None:
        self._message, self._next = message, 0.0

    def show(self) -> None:
        if self.active and time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            sys.stderr.write(f"\r\x1b[K{self._line()}")
            sys.stderr.flush()

    def close(self) -> None:
        self._unsubscribe()
        if self.active:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _hear(self, message: dict[str, Any]) -> None:
        values = message.get("points", {}).get("loss/train", {}).get("values")
        self._loss = values[-1] if values else self._loss

    def _line(self) -> str:
        status, state = self.folder.status(), self.folder.state()
        if status == "queued":
            return f"{self.folder.run}: queued {self._message}"
        step, steps, seconds = state.get("step") or 0, state.get("steps") or 0, state.get("step_seconds")
        parts = [f"{self.folder.run}: {self._message or state.get('phase') or status}", f"step {step}/{steps}"]
        if self._loss is not None:
            parts.append(f"loss {self._loss:.4f}" if isinstance(self._loss, float) else f"loss {self._loss}")
        if seconds and steps > step:
            parts.append(f"{(steps - step) * seconds:.0f} s left")
        return "  ".join(parts)
