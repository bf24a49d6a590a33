"""The film of a preset: its deciding curve for every seed, and for the first seed the vectors of a dozen steps.  Cards draw them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from engine.core.nonfinite import jsonable
from engine.index.downsample import thin
from engine.runs.series import series_key, split_key

CURVE, STEPS, WIDEST = 60, 12, 64  # points of a curve, steps of vectors, elements of a vector
DIGITS = 4


def curve(points: pl.DataFrame, deciding: str) -> dict[str, list[Any]]:
    """At most about 60 points of a metric, NAME or NAME@LAYER, extremes and what is not finite included; steps ascend."""
    metric, layer = split_key(deciding)
    mine = points.filter((pl.col("metric") == metric) & (pl.col("layer") == layer) & pl.col("index").is_null())
    at, read = mine["step"].to_numpy(), mine["value"].to_numpy()
    if not len(at):
        return {"step": [], "value": []}
    kept, nonfinite = thin(at, read, CURVE, (int(at[0]), int(at[-1])))
    rows = np.union1d(kept, nonfinite)
    return {"step": at[rows].tolist(), "value": [_short(v) for v in read[rows]]}


def vectors(points: pl.DataFrame) -> dict[str, dict[str, list[Any]]]:
    """Every vector metric of at most 64 elements, at a dozen of its steps, the first and the last among them."""
    out: dict[str, dict[str, list[Any]]] = {}
    found = points.filter(pl.col("index").is_not_null())
    for (metric, layer), mine in found.partition_by("metric", "layer", as_dict=True, maintain_order=True).items():
        rows = mine.group_by("step", maintain_order=True).agg(pl.col("value").sort_by("index"))
        if rows["value"].list.len().max() > WIDEST:
            continue
        picked = np.unique(np.linspace(0, len(rows) - 1, STEPS).round().astype(int)).tolist()
        taken = rows[picked]
        out[series_key(str(metric), str(layer))] = {
            "step": taken["step"].to_list(),
            "value": [[_short(v) for v in row] for row in taken["value"].to_list()],
        }
    return out


def _short(value: float) -> Any:
    return jsonable(float(f"{value:.{DIGITS}g}") if math.isfinite(value) else float(value))
