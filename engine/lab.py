"""A lab: one experiment family as a declaration of model, data, loss, knobs, presets and story.

A new lab is one file in `engine/labs/` with one subclass of `Lab`.  Lightning is only the carrier:
a reader of a lab never needs its manual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from engine import panel
from engine.knobs import Flat, Knobs, Problems, describe, knob, question
from engine.remedies.optimizer import Optimizer
from engine.rules import Rule, broken

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Preset:
    """Knob values that show one thing.  `cure` makes the twin, `gpu` the larger variant, `grid` a ladder.

    `see` says what to look at, and only what was measured over at least three seeds.
    """

    story: str
    see: str
    knobs: Flat
    cure: Flat = field(default_factory=dict)
    gpu: Flat = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)


class Lab(Knobs):
    """Base of every lab, with the knobs that all share.

    `provides` names what probes and charts may rely on ("routing", "byte_routing", "attention"): they attach by need.
    `headline` names the metrics that a table of this lab's runs shows.  `rules` say what one knob asks of another.
    `chart_notes` adds a sentence of this lab to the words under a chart, by the chart's file name.
    `thresholds`: levels of a metric; `python -m engine.measure` notes at which step each is reached, to compare arms by speed.
    """

    title: ClassVar[str]
    icon: ClassVar[str] = ""
    papers: ClassVar[tuple[str, ...]] = ()
    story: ClassVar[str]
    presets: ClassVar[dict[str, Preset]]
    provides: ClassVar[frozenset[str]] = frozenset()
    headline: ClassVar[tuple[str, ...]] = ("loss/validation",)
    rules: ClassVar[tuple[Rule, ...]] = ()
    chart_notes: ClassVar[dict[str, str]] = {}
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
        says = broken([rule.json() for rule in self.rules], self.flat())
        if says:
            raise ValueError(" ".join(says))
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


def presets(lab: type[Lab]) -> dict[str, dict[str, Any]]:
    """Every preset with its derived twins (`_cured`, `_gpu`, `_cured_gpu`) and ladder arms, as in `labs --json`.

    `knobs` holds the flat overrides of that preset only.  `broken` of a twin names the preset it cures.
    """
    out: dict[str, dict[str, Any]] = {}
    for name, p in lab.presets.items():
        out[name] = _preset(p, p.knobs, twin=f"{name}_cured" if p.cure else None, gpu=f"{name}_gpu" if p.gpu else None)
        if p.cure:
            cured = override(p.knobs, p.cure)
            out[f"{name}_cured"] = _preset(p, cured, broken=name, gpu=f"{name}_cured_gpu" if p.gpu else None)
        if p.gpu:
            large = override(p.knobs, p.gpu)
            out[f"{name}_gpu"] = _preset(p, large, twin=f"{name}_cured_gpu" if p.cure else None, small=name)
        if p.gpu and p.cure:
            large = override(override(p.knobs, p.cure), p.gpu)
            out[f"{name}_cured_gpu"] = _preset(p, large, broken=f"{name}_gpu", small=f"{name}_cured")
        for knob_name, values in p.grid.items():
            for value in values:
                out[f"{name}_{value}"] = _preset(p, override(p.knobs, {knob_name: value}), arm=name)
    return out


def override(base: Flat, over: Flat) -> Flat:
    """`base` with `over` on top; naming another answer of a question drops the nested knobs of the old one."""
    changed = {name for name, value in over.items() if name in base and base[name] != value}
    kept = {name: value for name, value in base.items() if name.partition(".")[0] not in changed or "." not in name}
    return {**kept, **over}


def _preset(p: Preset, knobs: Flat, **links: str | None) -> dict[str, Any]:
    see = f"Not measured on a GPU yet; these are the numbers of the CPU preset. {p.see}" if links.get("small") else p.see
    out: dict[str, Any] = {"story": p.story, "see": see, "twin": None, "gpu": None, "grid": p.grid or None, "knobs": knobs}
    return out | links


def entry(name: str, lab: type[Lab], problems: Problems | None = None) -> dict[str, Any]:
    """One lab in the shape of `labs --json`; answers that cannot be read are told in `problems`."""
    return {
        "lab": name,
        "title": lab.title,
        "icon": lab.icon,
        "papers": list(lab.papers),
        "story": lab.story,
        "provides": sorted(lab.provides),
        "chart_notes": lab.chart_notes,
        "presets": presets(lab),
        "knobs": describe(lab, problems),
        "rules": [rule.json() for rule in lab.rules],
        "panels": panel.told(name, problems),
    }
