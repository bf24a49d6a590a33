"""Why a message does not arrive: under-reaching, over-squashing, over-smoothing and vanishing gradients, told apart by four numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

SQUASHED = 1e-3  # jacobian/ratio below which a message that arrives is too faint
SMOOTH = 1e-3  # dirichlet_energy/ratio below which the nodes say the same
CHANCE = 0.2  # of the five classes of the transfer task
VANISHED = 1e-5  # gradient/reach below which the first layer learns nothing


@dataclass(frozen=True)
class Signs:
    """What is known of a run, each None where it was not measured, NaN where that is what was measured.

    under_reach   share of pairs whose Jacobian is exactly 0
    ratio         Jacobian of the node that knows over the read node's own
    energy        Dirichlet energy, last layer over first
    reach         gradient, first layer over last
    accuracy      in evaluation mode, of a task of classes; `chance` is what guessing gives, that of the transfer task where it is not known
    rmse          on the validation examples, of a task of numbers: 1 is what saying their mean gives
    layers        of the network
    distance      edges that a message must travel, infinite without a path
    """

    under_reach: float | None = None
    ratio: float | None = None
    energy: float | None = None
    reach: float | None = None
    accuracy: float | None = None
    chance: float | None = None
    layers: float | None = None
    distance: float | None = None
    rmse: float | None = None


def verdicts(signs: Signs) -> list[tuple[str, str]]:
    """(name, sentence) of everything that holds; then, under the name "", what was not measured or is NaN, and all numbers."""
    out = []
    if _above(signs.under_reach, 0.0):
        out.append(_silence(signs))
    if _above(signs.ratio, 0.0) and _below(signs.ratio, SQUASHED) and _unlearned(signs):
        text = (
            f"Over-squashing: the message arrives, {signs.ratio:.2g} times as strong as the node's own features (limit {SQUASHED:g}), "
            f"and {_how_good(signs)}."
        )
        out.append(("over-squashing", text))
    if _below(signs.energy, SMOOTH):
        text = f"Over-smoothing: the last layer keeps {signs.energy:.2g} of the first layer's Dirichlet energy (limit {SMOOTH:g})."
        out.append(("over-smoothing", text))
    if _below(signs.reach, VANISHED):
        text = f"Vanishing gradients: the first layer gets {signs.reach:.2g} of the last layer's gradient (limit {VANISHED:g})."
        out.append(("vanishing gradients", text))
    known = {"Jacobian": signs.ratio, "Dirichlet energy": signs.energy, "gradient": signs.reach}
    known |= {"accuracy": signs.accuracy} if signs.rmse is None else {"error of the numbers": signs.rmse}
    missing = [name for name, value in known.items() if value is None]
    if missing:
        out.append(("", f"Not measured: {' and '.join(missing)} (probes=dear measures everything)."))
    odd = [name for name, value in known.items() if value is not None and math.isnan(value)]
    if odd:
        out.append(("", f"NaN was measured, which says nothing: {' and '.join(odd)}."))
    out.append(("", f"{'The numbers' if out else 'None of the four'}: {numbers(signs)}."))
    return out


def _silence(signs: Signs) -> tuple[str, str]:
    """Why a Jacobian is exactly 0."""
    pairs = f"for {signs.under_reach:.0%} of the pairs the Jacobian is exactly 0"
    if _above(signs.distance, 1e18):
        return "no path", f"No path: no edges lead from the node that knows to the one that is read, and {pairs}."
    if signs.layers is None or signs.distance is None or signs.layers < signs.distance:
        short = "" if signs.layers is None or signs.distance is None else f"{signs.layers:.0f} layers for {signs.distance:.0f} edges; "
        return "under-reaching", f"Under-reaching: {short}{pairs}."
    return "dead states", f"Dead states: the layers would reach, but {pairs}: on every way some state is 0, whatever it receives."


def _unlearned(signs: Signs) -> bool:
    """Whether the answers are nearer to guessing than to being right."""
    chance = CHANCE if signs.chance is None else signs.chance
    return _below(signs.accuracy, (1.0 + chance) / 2.0) or _above(signs.rmse, 0.5)


def _how_good(signs: Signs) -> str:
    if signs.accuracy is not None:
        return f"the accuracy is {signs.accuracy:.2g}"
    return f"the error of the numbers is {signs.rmse:.2g}, where always saying their mean has 1"


def numbers(signs: Signs) -> str:
    """All four numbers in words."""
    shown = {
        "share of pairs out of reach": signs.under_reach,
        "Jacobian ratio": signs.ratio,
        "energy ratio": signs.energy,
        "gradient reach": signs.reach,
    }
    return ", ".join(f"{name} {'not measured' if value is None else f'{value:.2g}'}" for name, value in shown.items())


def _below(value: float | None, limit: float) -> bool:
    return value is not None and value < limit


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit
