"""Which charts of a group stand two in a row, and which take a row of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.labs.chart import Chart


def in_rows(names: Sequence[str], catalog: Mapping[str, Chart]) -> tuple[list[str], list[str]]:
    """-> (those in pairs, those in rows of their own): the wide ones, and before them the last of an odd number of others."""
    wide = [name for name in names if catalog[name].wide]
    others = [name for name in names if name not in wide]
    pairs = len(others) // 2 * 2
    return others[:pairs], [*others[pairs:], *wide]
