"""Every stored point of a run as one file: metric, layer, index, step, t, value (index empty for scalars)."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("csv", "parquet")


def write(frame: pl.DataFrame, path: Path, form: str) -> int:
    """Write `frame` in a fixed order of rows, beside the place and renamed -> rows."""
    import polars as pl

    if form not in FORMATS:
        raise ValueError(f'"{form}" is no format of an export; allowed are {", ".join(FORMATS)}.')
    ordered = frame.select("metric", "layer", "index", "step", "t", "value").sort(
        "metric", "layer", "index", "step", nulls_last=False, maintain_order=True
    )
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        if form == "csv":
            ordered.with_columns(pl.col("layer").replace("", None)).write_csv(beside)  # an empty cell, not two quotation marks
        else:
            ordered.write_parquet(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return ordered.height
