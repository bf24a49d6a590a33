"""A run in a notebook: its folder as a Polars frame, whatever the lab is doing, without opening the index.

import engine
engine.open_run("data/runs/20250101-120000-moe-1a2b").filter(pl.col("metric") == "loss/train")
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from engine.runs.spool import OPEN, POINTS, VECTOR, spools
from engine.runs.spool_reader import SpoolReader

COLUMNS = {"metric": pl.String, "layer": pl.String, "index": pl.Int32, "step": pl.Int64, "t": pl.Float64, "value": pl.Float64}
ORDER = ["metric", "layer", "step", "t", "index"]


def open_run(path: str | Path) -> pl.DataFrame:
    """Every stored point of a run: metric, layer, index (null for scalars), step, t, value, in this order.

    Reads the spools, or the Parquet files of an ended run whose spools were removed.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give the folder of one run, such as data/runs/RUN.")
    files = spools(folder)
    frame = _of_spools(files) if files else _of_parquet(folder)
    return frame.sort(ORDER, nulls_last=True, maintain_order=True)


def _of_spools(files: list[Path]) -> pl.DataFrame:
    columns: dict[str, list] = {name: [] for name in COLUMNS}

    def add(name: str, layer: str, index: int | None, step: int, t: float, value: float) -> None:
        for column, cell in zip(columns.values(), (name, layer, index, step, t, value), strict=True):
            column.append(cell)

    for file in files:
        tail, before = SpoolReader(file), -1
        while tail.offset > before:
            before = tail.offset
            for frame in tail.read():
                if frame.kind == OPEN and frame.data is not None:
                    kept = [i for i, step in enumerate(columns["step"]) if step < frame.data["start"]]
                    columns = {name: [column[i] for i in kept] for name, column in columns.items()}
                elif frame.kind == POINTS:
                    for series, value in zip(frame.series, frame.values, strict=True):
                        add(series.name, series.layer, None, frame.step, frame.t, value)
                elif frame.kind == VECTOR:
                    for index, value in enumerate(frame.values):
                        add(frame.series[0].name, frame.series[0].layer, index, frame.step, frame.t, value)
    return pl.DataFrame(columns, schema=COLUMNS)


def _of_parquet(folder: Path) -> pl.DataFrame:
    parts = [pl.DataFrame(schema=COLUMNS)]
    if (folder / "metrics.parquet").exists():
        scalars = pl.read_parquet(folder / "metrics.parquet").with_columns(index=pl.lit(None, pl.Int32))
        parts.append(scalars.select(pl.col("name").alias("metric"), *(pl.col(c) for c in list(COLUMNS)[1:])))
    if (folder / "vectors.parquet").exists():
        rows = pl.read_parquet(folder / "vectors.parquet").with_columns(index=pl.int_ranges(pl.col("v").list.len(), dtype=pl.Int32))
        rows = rows.explode("v", "index").with_columns(value=pl.col("v").cast(pl.Float64))
        parts.append(rows.select(pl.col("name").alias("metric"), *(pl.col(c) for c in list(COLUMNS)[1:])))
    return pl.concat(parts)
