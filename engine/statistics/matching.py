"""Runs of two arms that share seed and data order: the pairs, and how many runs are left without a partner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

Key = tuple[int, int]  # seed, data_seed
Values = Mapping[Key, float | None]  # of one arm; not finite: the run diverged; None: it has no value (yet)


@dataclass(frozen=True)
class Matched:
    """Pairs in ascending order of (seed, data_seed), values as they are, not finite ones included.  `alone`: runs without a partner
    of the first and of the second arm; a run without a value has none and is no partner."""

    keys: tuple[Key, ...]
    first: tuple[float, ...]
    second: tuple[float, ...]
    alone: tuple[int, int]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def diverged(self) -> tuple[int, int, int]:
        """Pairs of which only the first, only the second, both values are not finite."""
        ends = [(math.isfinite(a), math.isfinite(b)) for a, b in zip(self.first, self.second, strict=True)]
        return ends.count((False, True)), ends.count((True, False)), ends.count((False, False))


def matched(first: Values, second: Values) -> Matched:
    """The runs of two arms, joined by (seed, data_seed)."""
    a, b = ({key: value for key, value in arm.items() if value is not None} for arm in (first, second))
    keys = tuple(sorted(a.keys() & b.keys()))
    return Matched(keys, tuple(a[key] for key in keys), tuple(b[key] for key in keys), (len(a) - len(keys), len(b) - len(keys)))
