"""Probe `skip_share`: how much of what enters each decoder block came over the long skip, and how far its gate is open."""

from __future__ import annotations

from collections.abc import Iterable

from engine.labs.diffusion.probes._fixed_pass import fixed_pass
from engine.labs.probe import Metric, Probe, Reading, Step


class SkipShare(Probe):
    """‖κ W_s s‖ / ‖W_h h‖ of each skip, and the gate κ itself, on the fixed batch; the outermost skip first.

    Above 1 the skip outweighs what comes from below.  Gates of constant scalings are their constants; learned ones also have a spread."""

    price = "cheap"
    every = 20
    needs = "long_skips"
    metrics = (
        Metric("skip_share", "norm of the skip's part divided by that of the main path", kind="vector"),
        Metric("skip_gate/mean", "mean gate of each skip", kind="vector"),
        Metric("skip_gate/min", "smallest gate of each skip", kind="vector"),
        Metric("skip_gate/max", "largest gate of each skip", kind="vector"),
    )

    def after(self, step: Step) -> Iterable[Reading]:
        seen = fixed_pass(step)
        yield Reading("skip_share", seen.shares_N)
        for name, values_N in zip(("mean", "min", "max"), seen.gates_N3.unbind(dim=1), strict=True):
            yield Reading(f"skip_gate/{name}", values_N)
