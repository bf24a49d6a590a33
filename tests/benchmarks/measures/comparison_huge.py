"""Benchmark: the same questions of an index of a hundred million points; minutes and gigabytes, so only on request."""

from __future__ import annotations

from tests.benchmarks.measures import comparison


class ComparisonHuge(comparison.Comparison):
    """As the one before, with a hundred million points."""

    title = "A comparison of a hundred runs out of a large index"
    order = 43
    on_request = True
    points = 100_000_000
