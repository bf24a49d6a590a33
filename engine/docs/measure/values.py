"""What a record keeps of one run: numbers of its stored readings, under METRIC|STAT or METRIC@LAYER|STAT.

    last, max, min       of every metric of the whole model, and per layer of those that the lab heads its tables with, its
                         texts quote or the preset decides by
    late50               mean over the readings of the last 50 steps
    peak_step            the step of the largest value (loss and gradient norm)
    return_step          the first step after the peak from which 10 readings average at most what the 20 before the rise did
    below(X)             the first step at or below a level of the lab's `thresholds`
    event/RULE|first, event/RULE|count     of every rule that watched this run

None: it never came to that.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from engine.runs.series import series_key

LATE = 50
PEAKS = ("loss/train", "grad_norm")
BEFORE, RISE, AGAIN = 20, 10, 10  # readings: the level before, left out before the peak, averaged after it

Values = dict[str, float | None]


def values(points: pl.DataFrame, steps: int, shown: Collection[str], thresholds: Mapping[str, Sequence[float]]) -> Values:
    """The readings of `open_run` -> what is kept of them; wall-clock times are left out."""
    out: Values = {}
    scalars = points.filter(pl.col("index").is_null() & ~pl.col("metric").str.starts_with("time/"))
    for (metric, layer), mine in scalars.partition_by("metric", "layer", as_dict=True, maintain_order=True).items():
        if layer and metric not in shown:
            continue
        at, read = mine["step"].to_numpy(), mine["value"].to_numpy()
        key = series_key(str(metric), str(layer))
        for stat, value in _stats(at, read, steps).items():
            out[f"{key}|{stat}"] = value
        if metric in PEAKS and not layer:
            out |= {f"{key}|{stat}": value for stat, value in _peak(at, read).items()}
        if not layer:
            for level in thresholds.get(str(metric), ()):
                reached = at[read <= level]
                out[f"{key}|below({level:g})"] = float(reached[0]) if len(reached) else None
    return out


def events(documents: Iterable[Mapping[str, object]], rules: Iterable[str]) -> Values:
    """First step and number of the events of each rule that watched; other events (a picture, an order) are no alarm."""
    steps: dict[str, list[float]] = {rule: [] for rule in rules}
    for event in documents:
        if event["rule"] in steps:
            steps[str(event["rule"])].append(float(str(event["step"])))
    out: Values = {}
    for rule, at in sorted(steps.items()):
        out[f"event/{rule}|count"] = float(len(at))
        out[f"event/{rule}|first"] = min(at) if at else None
    return out


def _stats(at: np.ndarray, read: np.ndarray, steps: int) -> Values:
    late = read[at >= steps - LATE]
    finite = read[~np.isnan(read)]
    return {
        "last": float(read[-1]),
        "max": float(finite.max()) if len(finite) == len(read) else math.nan,
        "min": float(finite.min()) if len(finite) == len(read) else math.nan,
        "late50": float(late.mean()) if len(late) else float(read[-1]),
    }


def _peak(at: np.ndarray, read: np.ndarray) -> Values:
    """Where the largest finite value stands, and when the curve is back where it was before it rose."""
    finite = np.flatnonzero(np.isfinite(read))
    if not len(finite):
        return {"peak_step": None, "return_step": None}
    peak = int(finite[np.argmax(read[finite])])
    out: Values = {"peak_step": float(at[peak]), "return_step": None}
    before = read[max(0, peak - RISE - BEFORE) : max(0, peak - RISE)]
    if len(before) == BEFORE and np.isfinite(before).all():
        level = float(before.mean())
        for start in range(peak + 1, len(read) - AGAIN + 1):
            if read[start : start + AGAIN].mean() <= level:
                out["return_step"] = float(at[start])
                break
    return out
