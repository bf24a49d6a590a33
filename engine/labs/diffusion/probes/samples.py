"""Probe `samples`: what the network makes of noise in one and in two jumps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.labs.diffusion._sampling import against, drawn
from engine.labs.diffusion.datasets.clouds import cloud
from engine.labs.diffusion.datasets.plane import SIGMA_DATA
from engine.labs.probe import Metric, Probe, Reading, Step
from engine.runs.pictures import Picture

if TYPE_CHECKING:
    from engine.labs.capabilities import Consistency

POINTS = 300
SIDE = 8  # pictures in a row and in a column


class Samples(Probe):
    """Samples of the averaged weights from the same noise every time: points in the plane, in data units, or a sheet of digits."""

    price = "cheap"
    every = 100
    needs = "consistency"
    metrics = (
        Metric("samples/one_step", "points made in one jump, (300, 2)", kind="vector"),
        Metric("samples/two_steps", "points made in two jumps from the same noise, (300, 2)", kind="vector"),
        Metric("samples/data", "real points, (300, 2)", kind="vector"),
    )

    def after(self, step: Step[Consistency]) -> Iterable[Reading | Picture]:
        source = cloud(step.lab.data)
        if hasattr(source, "images"):
            for name, x_ND in drawn(step).items():
                number = {"one_step": "one jump", "two_steps": "two jumps"}[name]
                yield Picture(f"digits_{name}", sheet(source.images.pixels(x_ND[: SIDE * SIDE])), f"Digits made from noise in {number}.")
            return
        for name, x_N2 in drawn(step).items():
            yield Reading(f"samples/{name}", SIGMA_DATA * x_N2[:POINTS])
        yield Reading("samples/data", SIGMA_DATA * against(step.lab.data, str(next(step.model.parameters()).device)).target_MD[:POINTS])


def sheet(pixels_NP: Tensor, side: int = SIDE, enlarge: int = 4) -> Tensor:
    """side * side flat square pictures, in [0, 1], -> one (H, W) with a grey line between them, each pixel enlarged."""
    edge = round(pixels_NP.shape[1] ** 0.5)
    framed = torch.nn.functional.pad(pixels_NP.float().reshape(-1, edge, edge), (0, 1, 0, 1), value=0.5)
    rows = framed.reshape(side, side, edge + 1, edge + 1).permute(0, 2, 1, 3).reshape(side * (edge + 1), side * (edge + 1))
    return rows[:-1, :-1].repeat_interleave(enlarge, 0).repeat_interleave(enlarge, 1)
