"""A lab that plays: an experiment that is no training of a module by gradients of one loss, told step by step.

It provides "play" and defines `play(ctx)`, a generator that yields a `Played` after each of its steps; engine/worker/play.py asks for
the next one and does the rest: spool, detectors, probes, checkpoints, STOP and HOLD.  It keeps in `ctx.state` what its next step needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.labs.probe import Reading
from engine.runs.event import Event
from engine.runs.pictures import Picture

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Played(NamedTuple):
    """One step.  `readings`: what it measured, each under its metric's name; `batch`: what probes of the lab may see of it.

    Readings named `loss/…` are the losses of the step.  The others must be metrics of some probe, for that is where they are explained.
    """

    readings: Sequence[Reading] = ()
    events: Sequence[Event] = ()
    batch: Mapping[str, Tensor] = {}


@dataclass
class PlayContext:
    """What a lab may rely on while it plays.

    `done`: steps that earlier attempts have completed; go on with step `done`, from `state`, which is None where there are none.
    `state`: tensors and plain values with which the next step could begin.  It is saved now and then, always between two steps, so a
    lab may set it once and change its tensors in place.  `stop_requested()`: a step that takes seconds asks it, and may yield at once.
    """

    folder: Path
    seed: int
    steps: int
    done: int = 0
    state: Any = None
    device: str = "cpu"
    stop_requested: Callable[[], bool] = lambda: False
    generators: dict[str, Generator] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)

    def generator(self, name: str) -> Generator:
        """A CPU generator that depends on (`seed`, name) alone; after a resume it goes on where it was."""
        if name not in self.generators:
            from torch import Generator

            digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
            self.generators[name] = Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
        return self.generators[name]

    def picture(self, name: str, pixels: Any, message: str = "") -> None:
        """Show a picture (engine.runs.pictures.Picture) with the step that is yielded next."""
        self.pictures.append(Picture(name, pixels, message))
