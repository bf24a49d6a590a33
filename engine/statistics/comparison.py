"""Several arms against one of them: every arm, every difference with its p corrected for all, the noise floor, the looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.statistics.arm import PLAIN, Arm, arm
from engine.statistics.difference import Better, Difference, difference
from engine.statistics.holm import holm
from engine.statistics.interval import Kind
from engine.statistics.matching import Values
from engine.statistics.noise_floor import Floor, noise_floor
from engine.statistics.sequence import Looks, sequence


@dataclass(frozen=True)
class Comparison:
    """`arms` in the order given; `differences` and `looks`: each arm but the baseline, minus the baseline; `floor`: of the baseline."""

    metric: str
    baseline: str
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    looks: tuple[Looks, ...]
    floor: Floor

    def json(self) -> dict[str, Any]:
        """Numbers and verdicts as the command line prints them; `noise_floor` of a pair is that of a mean of as many pairs."""
        more = [{"e": looks.e, "noise_floor": self.floor.of_mean(d.n)} for d, looks in zip(self.differences, self.looks, strict=True)]
        pairs = [d.json() | extra for d, extra in zip(self.differences, more, strict=True)]
        return {"metric": self.metric, "arms": [arm.json() for arm in self.arms], "pairs": pairs}


def compare(metric: str, arms: Mapping[str, Values], baseline: str, better: Better = "lower", kind: Kind = PLAIN) -> Comparison:
    """Name of an arm -> value by (seed, data_seed).  A run that diverged has a value that is not finite, one without a value has None.

    ValueError, in one sentence, for a baseline that is no arm.
    """
    if baseline not in arms:
        raise ValueError(f"The baseline is {baseline!r}; it must be one of the arms: {', '.join(arms)}.")
    second = (baseline, arms[baseline])
    raw = [difference(first, second, better) for first in arms.items() if first[0] != baseline]
    corrected = holm([d.p for d in raw])
    return Comparison(
        metric=metric,
        baseline=baseline,
        arms=tuple(arm(name, values.values(), kind) for name, values in arms.items()),
        differences=tuple(replace(d, corrected=p) for d, p in zip(raw, corrected, strict=True)),
        looks=tuple(sequence(d.steps, len(raw)) for d in raw),
        floor=noise_floor(arms[baseline].values()),
    )
