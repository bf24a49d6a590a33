"""Presets: named knob values that show one thing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from engine.declare.knobs import Flat

Kind = Literal["breaks", "compared", "control"]


@dataclass(frozen=True)
class Preset:
    """Knob values that show one thing.  `cure` makes the twin, `gpu` the larger variant, `grid` a ladder.

    `kind`: it breaks (its deciding metric passes `level`, or a rule fires, on at least 7 of 8 recorded seeds), is compared with
    others, or is a control in which nothing happens.  `deciding`: the metric in which that shows, NAME or NAME@LAYER.
    What it shows and what to see stand in the Markdown beside the lab, under a heading with the preset's name.
    """

    knobs: Flat
    cure: Flat = field(default_factory=dict)
    gpu: Flat = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    kind: Kind = "compared"
    deciding: str = ""
    level: float | None = None


def override(base: Flat, over: Flat) -> Flat:
    """`base` with `over` on top; naming another answer of a question drops the nested knobs of the old one."""
    changed = {name for name, value in over.items() if name in base and base[name] != value}
    kept = {name: value for name, value in base.items() if name.partition(".")[0] not in changed or "." not in name}
    return {**kept, **over}
