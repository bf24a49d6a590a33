"""A view of a map: which rates its cells stand for, from its centre, its width in decades and how many cells it has.

The same numbers give the same rates to the last bit, in a tile, on the command line and in the address of a page.
"""

from __future__ import annotations

import itertools
import math

CLOSEST = 8  # neighbouring rates are at least so many roundings apart
LOWEST, HIGHEST = 1e-12, 1e12  # of every rate
WORK = 32 * 32 * 200  # steps of a network of width 16 with one hidden layer that take about a second


def rates(centre: float, decades: float, cells: int) -> list[float]:
    """-> ascending rates at the middles of `cells` equal parts of `decades` decades around `centre`.

    ValueError, in one sentence, where the view leaves the rates that a run may have, or they come too close for float64.
    """
    middle = math.log10(centre)
    found = [10.0 ** (middle + decades * ((i + 0.5) / cells - 0.5)) for i in range(cells)]
    if found[0] < LOWEST or found[-1] > HIGHEST:
        raise ValueError(f"The view reaches from {found[0]:.3g} to {found[-1]:.3g}, and rates go from {LOWEST:g} to {HIGHEST:g}; zoom in.")
    if any(high - low < CLOSEST * math.ulp(low) for low, high in itertools.pairwise(found)):
        raise ValueError(
            f"Neighbouring rates would be less than {CLOSEST} roundings of a float64 apart, and what one saw would be rounding; zoom out."
        )
    return found


def tile_side(width: int, depth: int, steps: int) -> int:
    """The largest power of two, up to 32, whose square of trainings takes at most about a second."""
    side = 32
    while side > 1 and side * side * work(width, depth, steps) > WORK:
        side //= 2
    return side


def work(width: int, depth: int, steps: int) -> float:
    """What one training takes, in steps of a network of width 16 with one hidden layer."""
    return steps * depth * max(1.0, (width / 16) ** 2)
