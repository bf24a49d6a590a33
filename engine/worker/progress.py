"""Where a training is, and whether it shall end: what the loop, the data and the callback share."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class Last:
    """What the end of a run says beside its status: completed steps, log calls and pictures that the disk refused, a sentence."""

    step: int = 0
    dropped: int = 0
    message: str = ""


@dataclass
class Progress:
    """What the loop, its callback and the data share: where the training is, and whether it shall end."""

    steps: int
    start: int = 0
    done: int = 0  # completed optimizer steps
    stride: int = 1
    end_after: int | None = None  # the divergence rule ends the run once so many steps are completed
    stopping: bool = False  # somebody asked for it
    whole: bool = True  # False while a step is half done: no moment for a checkpoint
    busy: float = 0.0  # seconds spent in steps
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=33))

    @property
    def over(self) -> bool:
        return self.stopping or self.done >= (self.steps if self.end_after is None else min(self.steps, self.end_after))
