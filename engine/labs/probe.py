"""A probe: what is measured in a running training, when, and at what price.

A new probe is one file in `engine/labs/<topic>/probes/` with one subclass of `Probe`; it attaches to every lab
that provides what it `needs`, and engine/worker/observer.py asks it.  Probes are pure observers: with or without them the loss is the same
bit for bit (a contract test).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from engine.runs.pictures import Picture

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from engine.labs.lab import Lab

L = TypeVar("L")  # what a probe may ask of the lab: a Protocol of engine/labs/capabilities.py, or every Lab

Price = Literal["free", "cheap", "dear"]
PRICES: tuple[Price, ...] = ("free", "cheap", "dear")


@dataclass(frozen=True)
class Metric:
    """A metric that a probe produces: its name, what it means, its unit, whether it comes per layer, and its shape.

    `of`: a count of so many things (a number, or the knob that holds it); `share`: the value is k/of instead of the count k;
    `whole`: it counts something without an upper end; `low`, `high`: its bounds.  They give its intervals their scale.
    """

    name: str
    about: str
    unit: str = ""
    kind: Literal["scalar", "vector"] = "scalar"
    layered: bool = False
    of: int | str = 0
    share: bool = False
    whole: bool = False
    low: float = -math.inf
    high: float = math.inf


class Reading(NamedTuple):
    """One value of one metric.

    `value`: a float or () tensor for a scalar; for a vector a sequence or any other tensor, kept with its shape.
    """

    metric: str
    value: float | Tensor | Sequence[float]
    layer: str = ""


@dataclass
class Step(Generic[L]):
    """What a probe may look at in one optimizer step (0-based `number`); it changes nothing."""

    number: int
    steps: int
    lab: L
    model: nn.Module
    batch: dict[str, Tensor]
    losses: dict[str, Tensor]
    optimizer: Optimizer
    lr: float
    scratch: dict[str, Any] = field(default_factory=dict)  # shared by the probes of one step (one gradient norm, not three)
    number_format: Callable[[], AbstractContextManager[Any]] = nullcontext  # enter it for a forward pass in the run's precision

    @property
    def last(self) -> bool:
        return self.number == self.steps - 1


class Probe:
    """Base of every probe.  The class docstring is its description on the page and in docs/.

    `every`: steps between readings; the first and the last step are always read.
    `needs`: a word of engine/labs/capabilities.py that a lab must provide ("routing"), or "" for every lab.
    """

    price: ClassVar[Price]
    every: ClassVar[int] = 1
    needs: ClassVar[str] = ""
    metrics: ClassVar[tuple[Metric, ...]]

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        """Attach: hooks made here live as long as the run."""

    @classmethod
    def make_ready(cls, lab: Lab, report: Callable[[str], None]) -> dict[str, Any]:
        """Once before the training: make what takes seconds and is kept; -> what it adds to the provenance of the data.

        `report(phase)` tells the page what is going on, pauses while the run is held, and raises when the run shall end: call it
        several times a second, and let what it raises pass.
        """
        return {}

    def due(self, step: int, steps: int) -> bool:
        return step % self.every == 0 or step == steps - 1

    def prepare(self, step: Step) -> None:
        """Before the forward pass of a step in which the probe is due (switch a recorder on)."""

    def gradients(self, step: Step) -> Iterable[Reading]:
        """After the backward pass: gradients are whole and unclipped, weights are those of the forward pass."""
        return ()

    def after(self, step: Step) -> Iterable[Reading | Picture]:
        """After the optimizer has moved the weights."""
        return ()

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold so that a resumed run reads on as if it had never stopped: tensors and plain values."""
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""


def attached(kinds: dict[str, type[Probe]], dial: Price, provides: frozenset[str]) -> dict[str, type[Probe]]:
    """The probes that a run takes: those the dial can pay for and whose need the lab meets."""
    rank = PRICES.index(dial)
    return {n: k for n, k in kinds.items() if PRICES.index(k.price) <= rank and (not k.needs or k.needs in provides)}
