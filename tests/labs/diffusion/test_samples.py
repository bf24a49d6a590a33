"""A reading of two-dimensional samples keeps its numbers and its shape all the way: spool, index, Parquet, notebook, command line."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from engine.index.open_run import open_run
from engine.index.owner import IndexOwner
from engine.labs.probe import Reading
from engine.runs.spool import VECTOR, Spool
from engine.runs.spool_reader import SpoolReader
from engine.worker.observer import Observer
from tests.support.indexed_runs import begin
from tests.support.tiny_lab import Tiny


def test_samples_survive_with_their_shape(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    spool = Spool(folder.path / "spool.1.bin", folder.run)
    lab = Tiny()
    observer = Observer(lab, lab.model(), spool, torch.device("cpu"), {}, {})
    generator = torch.Generator().manual_seed(0)
    cloud = {step: torch.randn(50, 2, generator=generator) for step in range(3)}
    for step, points in cloud.items():
        observer.add(step, [Reading("samples", points), Reading("samples", points.T[:, :7], "late"), Reading("loss/train", 1.0)])
    more = torch.randn(20, 2, generator=generator)
    observer.add(3, [Reading("samples", more)])  # another number of samples, from here on
    spool.close()
    folder.write_exit("finished", code=0)

    shapes = [(frame.series[0].layer, frame.series[0].shape) for frame in SpoolReader(spool.path).read() if frame.kind == VECTOR]
    assert shapes == [("", (50, 2)), ("late", (2, 7))] * 3 + [("", (20, 2))]

    owner.catch_up()
    names = [(s["key"], tuple(s["shape"])) for s in owner.store.names(folder.run) if s["kind"] == "vector"]
    assert sorted(names) == [("samples", (20, 2)), ("samples", (50, 2)), ("samples@late", (2, 7))]
    shown = owner.store.show(folder.run)["metrics"]
    assert (shown["samples@late"]["shape"], shown["samples@late"]["size"]) == ([2, 7], 14)
    parquet = pl.read_parquet(folder.path / "vectors.parquet").filter(pl.col("layer") == "").sort("step")
    assert parquet["shape"].to_list() == [[50, 2]] * 3 + [[20, 2]]

    from_spool = open_run(folder.path)
    spool.path.unlink()
    for frame in (owner.store.frame(folder.run), from_spool, open_run(folder.path)):  # the last one reads the Parquet files
        for step, points in {**cloud, 3: more}.items():
            rows = frame.filter((pl.col("metric") == "samples") & (pl.col("layer") == "") & (pl.col("step") == step)).sort("index")
            assert rows["index"].to_list() == list(range(points.numel()))
            assert np.array_equal(rows["value"].to_numpy().reshape(-1, 2).astype(np.float32), points.numpy())
