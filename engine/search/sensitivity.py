"""How much a wrong learning rate costs, along x of a map.

Source: Wortsman et al. 2023, arXiv 2309.14322, LR sensitivity: the mean over the rates, equally spaced by their logarithm, of
min(l(rate), l0) - l*, with l the final loss, l0 the loss before training and l* the best final loss; what is no number counts as l0.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.search.lattice import Lattice
from engine.search.outcome import Outcome


@dataclass(frozen=True)
class Sensitivity:
    """Of one line of a map: `values`, one for each seed that has a result at every rate of the first fineness, in units of the loss."""

    line: Mapping[str, Any]
    values: tuple[float, ...]
    seeds: int  # that the map has

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None


def sensitivity(finals: Sequence[float | None], openings: Sequence[float | None]) -> float | None:
    """Of one seed: final and first losses at the rates, in their order.  None where a result or every first loss is missing.

    All runs of a seed begin with the same weights and data, so the smallest first loss stands for a run that has none.
    """
    first = [value for value in openings if value is not None and math.isfinite(value)]
    if not finals or not first or any(value is None for value in finals):
        return None
    start = min(first)
    capped = [min(value, start) if value is not None and math.isfinite(value) else start for value in finals]
    return statistics.fmean(capped) - min(capped)


def sensitivities(axes: Sequence[Lattice], outcomes: Sequence[Outcome]) -> list[Sensitivity]:
    """One for each line along x, over the rates of the first fineness, so that lines that were refined are no finer than others."""
    x, *others = axes
    rates = [x.values[at] for at in x.first]
    lines: dict[tuple[Any, ...], dict[Any, dict[Any, Outcome]]] = {}
    seeds = {one.knobs.get("seed") for one in outcomes}
    coarse = [{axis.values[at] for at in axis.first} for axis in others]
    for one in outcomes:
        line = tuple(one.knobs.get(axis.knob) for axis in others)
        if all(value in values for value, values in zip(line, coarse, strict=True)) and one.counts:
            lines.setdefault(line, {}).setdefault(one.knobs.get("seed"), {})[one.knobs.get(x.knob)] = one
    out = []
    for line, of_seeds in lines.items():
        values = []
        for of in of_seeds.values():
            found = [of.get(rate) for rate in rates]
            value = sensitivity(
                [None if one is None else one.final for one in found], [None if one is None else one.opening for one in found]
            )
            values += [] if value is None else [value]
        out.append(Sensitivity({axis.knob: value for axis, value in zip(others, line, strict=True)}, tuple(values), len(seeds)))
    return out
