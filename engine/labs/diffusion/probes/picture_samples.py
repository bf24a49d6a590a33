"""Probe `picture_samples`: pictures that the model draws, always from the same noise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from engine.labs.diffusion._sampling import COLUMNS, ROWS, draw
from engine.labs.diffusion.remedies.diffusion import SIGMA_DATA
from engine.labs.probe import Metric, Probe, Reading, Step
from engine.runs.pictures import Picture

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.capabilities import Pictures

LEAST_PIXELS = 32  # a drawn picture is enlarged to about this size
MARGIN = 2


class PictureSamples(Probe):
    """Sixteen pictures drawn by the lab's sampler with the averaged weights, from noise that is the same at every step and seed.

    `samples/deviation` is their standard deviation over that of the training pictures: 1 when their contrast is right.  Sixteen real
    digits have 0.97 to 1.03 (95 of 100 draws): within that a difference is chance."""

    price = "cheap"
    every = 100
    needs = "pictures"
    metrics = (Metric("samples/deviation", "standard deviation of the drawn pixels divided by that of the data"),)

    def after(self, step: Step[Pictures]) -> Iterable[Reading | Picture]:
        drawn = draw(step)
        pixels = step.lab.images().pixels(drawn / SIGMA_DATA)
        message = f"{ROWS * COLUMNS} pictures drawn after {step.number + 1} steps, always from the same noise."
        yield Reading("samples/deviation", drawn.std() / SIGMA_DATA)
        yield Picture("samples", sheet(pixels), message)


def sheet(pixels_NCHW: Tensor) -> Tensor:
    """Brightness in [0, 1] -> one picture (H, W) or (H, W, 3) of ROWS × COLUMNS, enlarged without smoothing."""
    _N, C, S, _ = pixels_NCHW.shape
    times = max(1, LEAST_PIXELS // S)
    large = pixels_NCHW.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)
    framed = torch.nn.functional.pad(large, (MARGIN,) * 4, value=0.5)
    side = times * S + 2 * MARGIN
    grid = framed.view(ROWS, COLUMNS, C, side, side).permute(2, 0, 3, 1, 4).reshape(C, ROWS * side, COLUMNS * side)
    return grid[0] if C == 1 else grid.permute(1, 2, 0)
