"""Labs that can train several runs together, "stacked": each tensor of the model with one row per run.

A run that is a row is an ordinary run: it has the numbers that it has alone, up to rounding (in float64 to 1e-12 over 100 steps), and its
checkpoint goes on alone.  What the runs of a stack may differ in is said by engine/runs/stacking.py.

Shapes: N runs; a leaf (N, …) holds one parameter or buffer of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from engine.labs.play import PlayContext, Played


class Stacked(NamedTuple):
    """What one step of all runs gives.  `losses`: by name, (N,) each.

    `records`: of each run the attributes that `loss` would have left on its model, by name.
    """

    losses: Mapping[str, Tensor]
    records: Sequence[Mapping[str, Any]]


class Stacks(Protocol):
    """A lab whose `loss` also exists for N runs at once, of which each draws random numbers from generators of its own only.

    Buffers of its model are changed in place and never replaced.
    """

    def stacked_loss(self, models: Sequence[nn.Module], leaves: Mapping[str, Tensor], batches: Mapping[str, Tensor], step: int) -> Stacked:
        """The losses of all runs, differentiable in `leaves`.

        `models`: of each run, its tensors are the rows of `leaves`, which bear the names of the state dict; no hook of a probe may
        see this pass, and nothing of it may stay on a model.  `batches`: the batch of each run, stacked.
        """
        ...


class PlaysStacked(Protocol):
    """A lab that plays (engine/labs/play.py), and whose steps of N runs can be computed in one go."""

    def stacked_play(self, labs: Sequence[Any], contexts: Sequence[PlayContext]) -> Iterator[Sequence[Played]]:
        """The next step of every run, in the order of `labs`; as `play` it keeps in each `state` what its next step needs.

        All have completed as many steps.  When a run leaves, it is asked anew with the others.
        """
        ...
