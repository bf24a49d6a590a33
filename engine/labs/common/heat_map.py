"""A heat map as pixels, with its labels in it: for pictures that a worker draws, where no chart library is.

Shares from 0 to 1 on a scale that goes with the square root, so that 1 % can be told from nothing.

Shapes: R rows, C columns of one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# No paper, and one grey ink that keeps a contrast of 4 on a light and on a dark page (WCAG 2: 4.4 on white, 4.3 on #0e1117).
PAPER, INK, FADED = (0, 0, 0, 0), (120, 120, 120, 255), 90
VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
TEXT, ROW, HEAD, PAD = 22, 27, 40, 10  # pixels
LEGEND = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass
class Block:
    """One map: `values_RC` in [0, 1] or NaN for none, `marks` above some columns, `faint` columns, `apart` columns set off at the left."""

    title: str
    values_RC: np.ndarray
    marks: Sequence[str]
    faint: Sequence[bool]
    apart: int = 0


def heat_map(blocks: Sequence[Block], rows: Sequence[str]) -> np.ndarray:
    """-> uint8 (H, W, 4), red, green, blue and opacity: the blocks below each other, with a legend at the foot."""
    from PIL import Image, ImageDraw, ImageFont

    font, small = ImageFont.load_default(TEXT), ImageFont.load_default(TEXT - 4)
    columns = max(block.values_RC.shape[1] for block in blocks)
    cell = max(6, min(24, 560 // columns))
    left = PAD + int(max(font.getlength(name) for name in rows)) + PAD
    width = max(left + columns * cell + 3 * PAD, 480)
    each = 2 * HEAD + len(rows) * ROW
    image = Image.new("RGBA", (width, len(blocks) * each + 2 * HEAD + PAD), PAPER)
    draw = ImageDraw.Draw(image)
    for place, block in enumerate(blocks):
        top = place * each + HEAD
        draw.text((PAD, top - HEAD // 2), block.title, INK, font, "lm")
        for at, name in enumerate(rows):
            draw.text((left - PAD, top + HEAD // 2 + at * ROW + ROW // 2), name, INK, font, "rm")
        for column in range(block.values_RC.shape[1]):
            x = left + column * cell + (PAD if column >= block.apart else 0)
            if block.marks[column]:
                draw.text((x + cell // 2, top + 2), block.marks[column], INK, small, "mm")
            for at, value in enumerate(block.values_RC[:, column]):
                y = top + HEAD // 2 + at * ROW
                draw.rectangle((x, y, x + cell - 2, y + ROW - 2), colour(float(value), faint=block.faint[column]))
    _legend(draw, small, left, image.height - HEAD - PAD // 2)
    return np.asarray(image)


def colour(value: float, *, faint: bool = False) -> tuple[int, int, int, int]:
    """The colour of a share, with its opacity; the paper's own for NaN, and mostly transparent where it is faint."""
    if np.isnan(value):
        return PAPER
    at = float(np.sqrt(np.clip(value, 0.0, 1.0))) * (len(VIRIDIS) - 1)
    low = min(int(at), len(VIRIDIS) - 2)
    r, g, b = (round(a + (b - a) * (at - low)) for a, b in zip(VIRIDIS[low], VIRIDIS[low + 1], strict=True))
    return r, g, b, FADED if faint else 255


def _legend(draw: object, font: object, left: int, top: int) -> None:
    for place, share in enumerate(LEGEND):
        x = left + place * 48
        draw.rectangle((x, top, x + 44, top + 14), colour(share))
        draw.text((x + 22, top + 26), f"{100 * share:g}%", INK, font, "mm")
