"""A UNet whose long skips are as thick as what they bring, and whose decoder blocks swell with their features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.labs.schematic import Readings, Schematic, framed, moving

SHARE, SIZE = "skip_share", "feature_norm/blocks"
TOP, BOTTOM = 22.0, 182.0
LEFT, RIGHT, REACH = 62.0, 178.0, 312.0  # encoder, decoder, and how far a block can swell
SMALL, LARGE = 1e2, 1e10  # squared norms: the beginning of a healthy run, and a run in which everything has gone wrong
MOST = 40


class Skips(Schematic):
    """Arrows from the encoder to the decoder are as thick as the skip's part over that of the main path; each decoder block is as long as
    the squared norm of its output, on a logarithmic scale."""

    labs = ("unet",)
    title = "What the long skips carry"
    about = (
        "Each arrow is a long skip, as thick as its part beside the main path; "
        "each bar is a decoder block, as long as its features are large."
    )
    needs = (SHARE, SIZE)

    def svg(self, knobs: Mapping[str, Any], layer: str = "", first: Readings | None = None) -> str:
        skips = int(knobs["skips"])
        if not 1 <= skips <= MOST:
            return ""
        high = (BOTTOM - TOP) / skips
        thick = min(10.0, 0.62 * high)
        parts = [
            '<defs><marker id="fl-head" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" '
            'markerUnits="userSpaceOnUse" orient="auto"><path class="fl-tip" d="M0 0 L6 3 L0 6 z"/></marker></defs>',
            f'<text class="fl-word" x="{LEFT - 20:.0f}" y="12" text-anchor="middle">encoder</text>',
            f'<text class="fl-word" x="{RIGHT + 20:.0f}" y="12" text-anchor="middle">decoder</text>',
            f'<path class="fl-way" d="M{LEFT - 20} {TOP} V{BOTTOM + 8} H{RIGHT + 20} V{TOP}"/>',
            f'<text class="fl-word" x="{(LEFT + RIGHT) / 2:.0f}" y="198" text-anchor="middle">{skips} long skips</text>',
        ]
        for i in range(skips):
            y = TOP + (i + 0.5) * high
            parts.append(f'<line class="fl-beam" x1="{LEFT - 40}" y1="{y:.1f}" x2="{LEFT}" y2="{y:.1f}" stroke-width="{thick:.1f}"/>')
            arrow = moving(SHARE, "", [("width", i, (0.3, 0.9 * high), "log:0.005:2")])
            parts.append(
                f'<line class="fl-skip" x1="{LEFT + 4}" y1="{y:.1f}" x2="{RIGHT - 4}" y2="{y:.1f}" marker-end="url(#fl-head)" {arrow}/>'
            )
            block = moving(SIZE, "", [("x2", i, (RIGHT + 2, REACH), f"log:{SMALL:g}:{LARGE:g}")])
            parts.append(
                f'<line class="fl-block" x1="{RIGHT}" y1="{y:.1f}" x2="{RIGHT + 2}" y2="{y:.1f}" stroke-width="{thick:.1f}" {block}/>'
            )
        return framed(parts, f"A UNet with {skips} long skips from its encoder to its decoder")

    def sentence(self, knobs: Mapping[str, Any], readings: Readings, layer: str = "") -> str:
        share, size = readings.get(SHARE), readings.get(SIZE)
        parts = []
        if isinstance(size, Sequence) and size:
            parts.append(f"the outermost block's features have a squared norm of {_number(size[0])}, the deepest one's {_number(size[-1])}")
        if isinstance(share, Sequence) and share:
            parts.append(
                f"the outermost skip brings {_number(share[0])} times as much as the main path, the deepest {_number(share[-1])} times"
            )
        return f"{'; '.join(parts)}.".capitalize() if parts else ""


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "no finite number"
