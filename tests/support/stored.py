"""Frames of stored points, for tests of charts."""

from __future__ import annotations

import polars as pl


def stored(readings: dict[str, float | list[float]]) -> pl.DataFrame:
    """As the store gives them, of one step; a list is a vector."""
    rows = [
        {"metric": metric, "layer": "", "index": index, "step": 3, "t": 1e9, "value": one}
        for metric, value in readings.items()
        for index, one in (enumerate(value) if isinstance(value, list) else [(None, value)])
    ]
    return pl.DataFrame(rows, schema={"metric": str, "layer": str, "index": int, "step": int, "t": float, "value": float})
