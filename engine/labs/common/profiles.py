"""Profiles: one vector series over its index, at the last step or as the mean of the last readings, for charts that are redrawn."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

LATE = 0.25  # of the stored readings, the newest, when a mean is asked for


def newest(frame: pl.DataFrame | None, metric: str, layer: str = "") -> list[float]:
    """The elements of a vector at its last step, in order; [] where there is none."""
    mine = _series(frame, metric, layer)
    return [] if mine is None else mine.filter(pl.col("step") == mine["step"].max()).sort("index")["value"].to_list()


def late_mean(frame: pl.DataFrame | None, metric: str) -> list[float]:
    """The mean of each element over the newest quarter of the steps; one NaN makes it NaN."""
    mine = _series(frame, metric)
    if mine is None:
        return []
    last, first = mine["step"].max(), mine["step"].min()
    recent = mine.filter(pl.col("step") >= last - LATE * (last - first))
    return recent.group_by("index").agg(pl.col("value").mean()).sort("index")["value"].to_list()


def first_reached(frame: pl.DataFrame | None, metric: str, levels: Sequence[float]) -> list[int | None]:
    """The first step at which a scalar is at or below each level; None where it never was."""
    if frame is None or frame.is_empty():
        return [None] * len(levels)
    mine = frame.filter((pl.col("metric") == metric) & (pl.col("layer") == ""))
    return [mine.filter(pl.col("value") <= level)["step"].min() for level in levels]


def _series(frame: pl.DataFrame | None, metric: str, layer: str = "") -> pl.DataFrame | None:
    if frame is None or frame.is_empty():
        return None
    mine = frame.filter((pl.col("metric") == metric) & (pl.col("layer") == layer) & pl.col("index").is_not_null())
    return None if mine.is_empty() else mine


def latest(frame: pl.DataFrame | None, metric: str, layer: str = "") -> tuple[int, list[float]]:
    """-> the last step at which a vector was read, and its values row by row; (0, []) where there is none."""
    if frame is None or frame.is_empty():
        return 0, []
    mine = frame.filter((pl.col("metric") == metric) & (pl.col("layer") == layer) & pl.col("index").is_not_null())
    if mine.is_empty():
        return 0, []
    step = mine["step"].max()
    return int(step), mine.filter(pl.col("step") == step).sort("index")["value"].to_list()  # type: ignore[arg-type]
