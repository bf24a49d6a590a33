"""Presets: named knob values that show one thing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from engine.declare.knobs import Flat

Kind = Literal["breaks", "compared", "control"]
Difficulty = Literal["introductory", "intermediate", "advanced"]


@dataclass(frozen=True)
class Deciding:
    """What tells whether a preset's training broke: one number, and the chart on which a person sees it first.

    `metric`: NAME or NAME@LAYER, a scalar.  `direction`: the way it goes when the training breaks.  `message`: a sentence about one
    value of it, with {value}, for instance "{value} experts get next to nothing"; `unit` of the metric stands in its probe.
    """

    chart: str
    metric: str
    direction: Literal["up", "down"] = "up"
    message: str = ""

    def json(self) -> dict[str, str]:
        """As in `labs --json`."""
        return {"chart": self.chart, "metric": self.metric, "direction": self.direction, "says": self.message}


@dataclass(frozen=True)
class Preset:
    """Knob values that show one thing.  `cure` makes the twin, `gpu` the larger variant, `grid` a ladder.

    `kind`: it breaks (its deciding metric passes `level`, or a rule fires, on at least 7 of 8 recorded seeds), is compared with
    others, or is a control in which nothing happens.  `deciding`: the metric in which that shows, and its chart.
    `order`: its place among the showcases of the gallery, from 1; 0 for one that is none.  `difficulty`: what a reader must know
    before it.  `phenomena`: what happens in it, in the field's standard terms, by which the gallery is filtered.
    What it shows and what to see stand in the Markdown beside the lab, under a heading with the preset's name.
    """

    knobs: Flat
    cure: Flat = field(default_factory=dict)
    gpu: Flat = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    kind: Kind = "compared"
    deciding: Deciding | None = None
    level: float | None = None
    order: int = 0
    difficulty: Difficulty = "intermediate"
    phenomena: tuple[str, ...] = ()


def override(base: Flat, over: Flat) -> Flat:
    """`base` with `over` on top; naming another answer of a question drops the nested knobs of the old one."""
    changed = {name for name, value in over.items() if name in base and base[name] != value}
    kept = {name: value for name, value in base.items() if name.partition(".")[0] not in changed or "." not in name}
    return {**kept, **over}
