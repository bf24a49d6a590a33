"""What DRew and νDRew share: the width that keeps the number of weights, and the network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.labs.gnn.remedies.message_passing import Plan

if TYPE_CHECKING:
    from engine.labs.gnn.models.networks import Passing

PAPER = "Gutteridge, Dong, Bronstein and Di Giovanni, ICML 2023, arXiv 2305.08018"
MATCH = "narrow the network until it has about as many weights as a plain one of this width"
MATCH_SOURCE = "width √(2 d²/(L + 1)), as in lrgb/param_calcs.py of BenGutteridge/DRew"


def matched(width: int, layers: int) -> int:
    """The width at which L(L+1)/2 square matrices have about as many entries as L of this width."""
    return max(1, round(math.sqrt(2.0 * width * width / (layers + 1))))


def delayed(plan: Plan, delay: int | None, match_parameters: bool) -> Passing:
    from engine.labs.gnn.models.networks import Delayed

    layers = len(plan.adjacencies)
    width = matched(plan.width, layers) if match_parameters else plan.width
    return Delayed(plan.d_in, width, layers, plan.hops_NN, delay, plan.norm)
