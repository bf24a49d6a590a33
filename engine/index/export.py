"""Every stored point of a run as one file: metric, layer, index, step, t, value (index empty for scalars)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.disk import refused, why
from engine.core.files import replace

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("csv", "parquet")


def write(frame: pl.DataFrame, path: Path, form: str) -> int:
    """Write `frame` in a fixed order of rows, all of it or nothing -> rows.  OSError, in one sentence, where the disk refuses it."""
    import polars as pl

    if form not in FORMATS:
        raise ValueError(f'"{form}" is no format of an export; allowed are {", ".join(FORMATS)}.')
    ordered = frame.select("metric", "layer", "index", "step", "t", "value").sort(
        "metric", "layer", "index", "step", nulls_last=False, maintain_order=True
    )
    try:
        if form == "csv":
            replace(path, ordered.with_columns(pl.col("layer").replace("", None)).write_csv)  # an empty cell, not two quotation marks
        else:
            replace(path, ordered.write_parquet)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = refused(error) or (why(error) if isinstance(error, OSError) else str(error))
        raise OSError(f"{path} could not be written: {reason}.") from error
    return ordered.height
