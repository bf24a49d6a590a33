"""Where in a run a part of a layer stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.labs.common.models.initialise import named_generator

if TYPE_CHECKING:
    from torch import Generator


@dataclass(frozen=True)
class LayerInfo:
    """`seed` and `steps` are those of the run; `layer` counts from 0.  What is drawn follows from it, so a resumed run draws the same."""

    seed: int = 0
    layer: int = 0
    steps: int = 1

    def generator(self, name: str) -> Generator:
        """A CPU generator for one purpose of this layer."""
        return named_generator(self.seed, f"{name}/layer {self.layer}")
