"""A ball in a valley: where the loss stands, in units of where it began."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.labs.schematic import Readings, Schematic, framed, moving

LOSS = "loss/train"
MIDDLE, GROUND, RIM = 160.0, 178.0, 24.0
HALF = 140.0  # from the middle to the rim
RIM_LOSS = 4.0  # first losses


class Valley(Schematic):
    """A parabola whose height is the loss: the ball stands where a quadratic valley has the loss of the step, and at the rim above four
    first losses."""

    labs = ("trainability",)
    title = "Down the valley, or out of it"
    about = "The height of the ball is the loss; the dashed line is where it began, and a ball at the rim has left the valley."
    needs = (LOSS,)
    made_from = (LOSS,)

    def svg(self, knobs: Mapping[str, Any], layer: str = "", first: Readings | None = None) -> str:
        began = (first or {}).get(LOSS)
        if not isinstance(began, int | float) or not (math.isfinite(began) and began > 0):
            return ""
        top = RIM_LOSS * began
        points = [(MIDDLE + HALF * t / 20, GROUND - (GROUND - RIM) * (t / 20) ** 2) for t in range(-20, 21)]
        y, x = GROUND - (GROUND - RIM) / RIM_LOSS, HALF / math.sqrt(RIM_LOSS)
        ball = moving(
            LOSS, "", [("cx", None, (MIDDLE, MIDDLE + HALF), f"sqrt:0:{top:.6g}"), ("cy", None, (GROUND, RIM), f"linear:0:{top:.6g}")]
        )
        parts = [
            f'<path class="fl-part" fill="none" d="M{" L".join(f"{px:.1f} {py:.1f}" for px, py in points)}"/>',
            f'<path class="fl-level" d="M{MIDDLE - x - 12:.1f} {y:.1f} H{MIDDLE + x + 12:.1f}"/>',
            f'<text class="fl-word" x="{MIDDLE - x - 16:.1f}" y="{y + 3:.1f}" text-anchor="end">first loss</text>',
            f'<text class="fl-word" x="{MIDDLE + HALF:.0f}" y="14" text-anchor="end">{RIM_LOSS:g} times the first loss or more</text>',
            f'<circle class="fl-node" cx="{MIDDLE + x:.1f}" cy="{y:.1f}" r="8" {ball}/>',
        ]
        return framed(parts, "A ball in a valley whose height is the loss")

    def sentence(self, knobs: Mapping[str, Any], readings: Readings, layer: str = "") -> str:
        loss = readings.get(LOSS)
        if not isinstance(loss, int | float):
            return ""
        return f"The loss is {loss:.4g}." if math.isfinite(loss) else "The loss is no finite number."
