"""When a training is damaged, judged afterwards from its loss alone: what the warning time of a rule is counted to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

KEEP = 0.9  # of the moving average, a step
NOISES = 2.0  # batch noises that a loss must have fallen, and climbed back
FAR = 9.0  # times |opening| above the opening, for a loss that has never fallen


def damaged_at(losses: Sequence[tuple[int, float]]) -> int | None:
    """-> the step at which the smoothed loss (moving average, 0.9 kept a step, corrected for its start) has climbed back half of the
    way from its minimum so far to its opening, or a loss is not finite; None for a training that was not damaged.

    `losses`: (step, loss), ascending.  The opening is the first loss.  A fall and a climb within twice the batch noise are none: the
    noise is 1.4826 MAD of the change from step to step over √2.  A loss that has not fallen so far is damaged at ten times its
    opening.  Looks at the whole run, so it is no rule that could warn.
    """
    noise = batch_noise([loss for _, loss in losses])
    total = weight = 0.0
    opening = lowest = math.nan
    for step, loss in losses:
        if not math.isfinite(loss):
            return step
        total, weight = KEEP * total + (1.0 - KEEP) * loss, KEEP * weight + (1.0 - KEEP)
        level = total / weight
        if math.isnan(opening):
            opening = lowest = level
        lowest = min(lowest, level)
        fallen = opening - lowest > NOISES * noise
        half_back = level - lowest >= max((opening - lowest) / 2.0, NOISES * noise)
        if (fallen and half_back) or level > opening + FAR * max(abs(opening), noise):
            return step
    return None


def batch_noise(losses: Sequence[float]) -> float:
    """Standard deviation of one loss by the change of batch, from the changes between neighbours; 0 for fewer than two finite losses."""
    changes = [b - a for a, b in pairwise(losses) if math.isfinite(b - a)]
    if not changes:
        return 0.0
    middle = median(changes)
    return 1.4826 * median(abs(change - middle) for change in changes) / math.sqrt(2.0)
