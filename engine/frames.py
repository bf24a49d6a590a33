"""Reading vectors out of stored frames, for charts that show the latest of them."""

from __future__ import annotations

import polars as pl


def latest(frame: pl.DataFrame | None, metric: str, layer: str = "") -> tuple[int, list[float]]:
    """-> the last step at which a vector was read, and its values row by row; (0, []) where there is none."""
    if frame is None or frame.is_empty():
        return 0, []
    mine = frame.filter((pl.col("metric") == metric) & (pl.col("layer") == layer) & pl.col("index").is_not_null())
    if mine.is_empty():
        return 0, []
    step = mine["step"].max()
    return int(step), mine.filter(pl.col("step") == step).sort("index")["value"].to_list()  # type: ignore[arg-type]
