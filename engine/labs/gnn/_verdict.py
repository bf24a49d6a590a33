"""Why a message does not arrive: under-reaching, over-squashing, over-smoothing and vanishing gradients, told apart by four numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

SQUASHED = 1e-3  # jacobian/ratio below which a message that arrives is too faint
SMOOTH = 1e-3  # dirichlet_energy/ratio below which the nodes say the same
VANISHED = 1e-5  # gradient/reach below which the first layer learns nothing


@dataclass(frozen=True)
class Signs:
    """The four numbers, NaN where a run did not measure one, and the accuracy with what chance gives.

    under_reach   share of pairs whose Jacobian is exactly 0
    ratio         Jacobian of the node that knows over the read node's own
    energy        Dirichlet energy, last layer over first
    reach         gradient, first layer over last
    """

    under_reach: float = math.nan
    ratio: float = math.nan
    energy: float = math.nan
    reach: float = math.nan
    accuracy: float = math.nan
    chance: float = 0.2


def verdicts(signs: Signs) -> list[tuple[str, str]]:
    """(name, sentence) of everything that holds; one entry with the name "" where none does, and where something was not measured."""
    out = []
    if signs.under_reach > 0:
        text = f"Under-reaching: for {signs.under_reach:.0%} of the pairs the network has too few layers, and the Jacobian is exactly 0."
        out.append(("under-reaching", text))
    low = signs.accuracy < (1.0 + signs.chance) / 2.0
    if 0 < signs.ratio < SQUASHED and low:
        text = (
            f"Over-squashing: the message arrives, {signs.ratio:.2g} times as strong as the node's own features (limit {SQUASHED:g}), "
            f"and the accuracy is {signs.accuracy:.2g}."
        )
        out.append(("over-squashing", text))
    if signs.energy < SMOOTH:
        text = f"Over-smoothing: the last layer has {signs.energy:.2g} of the first layer's Dirichlet energy (limit {SMOOTH:g})."
        out.append(("over-smoothing", text))
    if signs.reach < VANISHED:
        text = f"Vanishing gradients: the first layer gets {signs.reach:.2g} of the last layer's gradient (limit {VANISHED:g})."
        out.append(("vanishing gradients", text))
    missing = [name for name, value in (("Jacobian", signs.ratio), ("Dirichlet energy", signs.energy)) if math.isnan(value)]
    if not out and missing:
        return [("", f"Not measured: {' and '.join(missing)} (probes=dear measures everything).")]
    return out or [("", f"None of the four: {numbers(signs)}.")]


def numbers(signs: Signs) -> str:
    """All four numbers in words."""
    return (
        f"share of pairs out of reach {signs.under_reach:.2g}, Jacobian ratio {signs.ratio:.2g}, energy ratio {signs.energy:.2g}, "
        f"gradient reach {signs.reach:.2g}"
    )
