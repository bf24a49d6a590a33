"""Benchmark: the same questions of an index of a hundred million points; minutes and gigabytes, so only on request."""

from __future__ import annotations

from tests.benchmarks.measures import series


class SeriesHuge(series.Series):
    """As the one before, with a hundred million points."""

    title = "Curves out of a large index"
    order = 41
    on_request = True
    sizes = (100_000_000,)
