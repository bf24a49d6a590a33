"""A lab: one experiment family as a declaration of model, data, loss, knobs and presets.

A new lab is one file in a topic, `engine/labs/<topic>/<lab>.py`, with one subclass of `Lab`, such as engine/labs/moe/moe.py, and
`<lab>.md` beside it with its story and a heading per preset (engine/declare/texts.py).
Lightning is only the carrier: a reader of a lab never needs its manual.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from engine.declare.knobs import Knobs, knob, question
from engine.declare.presets import Preset
from engine.declare.rules import Rule, broken
from engine.labs.optimizer import Optimizer

if TYPE_CHECKING:
    from torch import Tensor, nn


class Lab(Knobs):
    """Base of every lab, with the knobs that all share.

    `provides` names what probes may rely on ("routing", "attention"): words of engine/labs/capabilities.py; probes attach by need.
    `headline` names the metrics that a table of this lab's runs shows.  `rules` say what one knob asks of another.
    `edition` is raised when the same knobs mean another curve, and `editions` says by number what that raise changed; both are
    written as literals, for they are read without importing the file.  Runs of an older edition are shown, and not resumed.  Where
    a raise concerns some answers only, `concerns` names them ({2: {"router": "sinkhorn"}}; a list holds alternatives, several
    questions must all be answered so): a run without them goes on.
    `thresholds`: levels of a metric; `python -m engine.docs.measure` notes at which step each is reached, to compare arms by speed.
    """

    title: ClassVar[str]
    icon: ClassVar[str] = ""
    papers: ClassVar[tuple[str, ...]] = ()
    presets: ClassVar[dict[str, Preset]]
    edition: ClassVar[int] = 1
    editions: ClassVar[dict[int, str]] = {}
    concerns: ClassVar[dict[int, dict[str, Any]]] = {}
    provides: ClassVar[frozenset[str]] = frozenset()
    headline: ClassVar[tuple[str, ...]] = ("loss/validation",)
    rules: ClassVar[tuple[Rule, ...]] = ()
    thresholds: ClassVar[dict[str, tuple[float, ...]]] = {}

    seed: int = knob(0, "seed of initialisation and noise", ge=0, le=2**31 - 1)
    data_seed: int | None = knob(None, "seed of the order of the data; empty means the same as seed", ge=0, le=2**31 - 1)
    steps: int = knob(300, "optimizer steps", unit="steps", ge=1, le=1_000_000)
    device: str = knob("auto", "where to train: auto, cpu, cuda or cuda:N; auto is resolved when the run is made")
    precision: Literal["fp32", "bf16", "fp16"] = knob("fp32", "number format of the forward and backward pass", group="size")
    threads: int = knob(
        1, "CPU threads of the run; fixed when it is made, kept when it is resumed", unit="threads", ge=1, le=256, group="size"
    )
    optimizer: Optimizer = question(Optimizer, "adamw", "Which rule turns gradients into a step?", group="training")
    lr: float = knob(1e-3, "peak learning rate", ge=0.0, le=1e4, group="stressor")
    warmup: int = knob(20, "steps over which the learning rate rises linearly from 0", unit="steps", ge=0, le=100_000)
    clip: float = knob(1.0, "largest global gradient norm; larger gradients are scaled down to it, 0 turns clipping off", ge=0.0, le=1e6)
    probes: Literal["free", "cheap", "dear"] = knob("cheap", "how much is measured: every probe up to this price", group="probes")
    kernels: Literal["auto", "reference"] = knob("auto", "custom CUDA kernels where they exist, or plain torch everywhere", group="size")
    on_divergence: Literal["stop", "continue"] = knob("stop", "what happens when the divergence rule fires")

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Lab:
        message = broken([rule.json() for rule in self.rules], self.flat())
        if message:
            raise ValueError(" ".join(message))
        return self

    # -- what a lab defines ------------------------------------------------------------------------

    def model(self) -> nn.Module:
        """The network, on the CPU, each parameter initialised from (`seed`, its name) alone."""
        raise TypeError(f"{type(self).__name__} must define model()")

    def batch(self, n: int) -> dict[str, Tensor]:
        """Training batch number `n`: a pure function of (`data_seed`, n)."""
        raise TypeError(f"{type(self).__name__} must define batch(n)")

    def loss(self, model: nn.Module, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """-> named losses; "train" is the task loss alone, the sum of all is what is minimised."""
        raise TypeError(f"{type(self).__name__} must define loss(model, batch, step)")

    def validation(self) -> Iterator[dict[str, Tensor]]:
        """The same fixed validation batches at every call."""
        return iter(())

    def after_step(self, model: nn.Module, step: int) -> None:
        """State that moves once per optimizer step and by no gradient (a router's bias)."""

    def learning_rate(self, step: int) -> float:
        """Learning rate of step `step` (0-based): linear warm-up, then constant."""
        return self.lr * min(1.0, (step + 1) / self.warmup) if self.warmup else self.lr

    def provenance(self) -> dict[str, Any]:
        """What besides the code decides the result: the hash of the data, a teacher's cache key."""
        return {}
