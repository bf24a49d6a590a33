"""Which metrics stand beside others as their noise floor: the same family, under one of a few names."""

from __future__ import annotations

from collections.abc import Collection

WORDS = (  # of real data, its largest by chance, of two sets of real data, of change alone, of rounding
    *("floor", "floor_high", "difference"),
    *("chance", "rounding"),
)


def with_floors(metrics: Collection[str]) -> frozenset[str]:
    """`metrics` and the floors that their families may have: {"gain/feature"} -> also gain/rounding, gain/floor, …"""
    families = {name.rpartition("/")[0] for name in metrics if "/" in name}
    return frozenset(metrics) | {f"{family}/{word}" for family in families for word in WORDS}
