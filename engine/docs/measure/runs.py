"""One run of a measurement: trained through the command line, read, and kept in a file, so that a measurement that is killed goes on.

A finished seed is `data/science/LAB-PRESET-SEED-HASH.json`; HASH is that of the sources and of the declaration.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from engine.core import sources
from engine.core.catalog import Catalog
from engine.core.files import read_json, write_json
from engine.core.nonfinite import jsonable
from engine.core.paths import ROOT
from engine.docs.measure import film
from engine.docs.measure.training import NoMeasurement, train
from engine.docs.measure.values import events, values
from engine.index.open_run import open_run
from engine.labs.detector import Detector
from engine.labs.lab import Lab
from engine.runs.folder import run_folder
from engine.runs.series import split_key

Run = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One run to make.

    `sources`: file -> hash of what decides its numbers; `knobs`: the whole declaration without its seed; `quoted`: the metrics
    that texts of the lab name, which are kept per layer, too.
    """

    lab: str
    preset: str
    seed: int
    knobs: Mapping[str, Any]
    sources: Mapping[str, str]
    deciding: str
    quoted: frozenset[str] = frozenset()

    @property
    def hash(self) -> str:
        plain = json.dumps({k: jsonable(v) for k, v in self.knobs.items()}, sort_keys=True)
        return sources.digest({**self.sources, "knobs": plain, "deciding": self.deciding, "quoted": ",".join(sorted(self.quoted))})

    def file(self, scratch: Path) -> Path:
        return scratch / f"{self.lab}-{self.preset}-{self.seed}-{self.hash}.json"


def finished(job: Job, scratch: Path) -> Run | None:
    """What an earlier measurement of the same sources kept of this run."""
    return read_json(job.file(scratch))


def make(job: Job, kind: type[Lab], scratch: Path, root: Path = ROOT) -> Run:
    """Train, read, keep.  NoMeasurement, in one sentence."""
    (scratch / "cache").mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(dir=scratch, prefix=f"{job.preset}-{job.seed}-"))
    try:
        shutil.copytree(scratch / "cache", data / "cache")
        told = train(job.lab, job.preset, job.seed, data, root=root)
        for artefact in (data / "cache").glob("*/*.pt"):  # teachers and feature networks, for the runs that come after this one
            shutil.copytree(artefact.parent, scratch / "cache" / artefact.parent.name, dirs_exist_ok=True)
        run = _kept(job, kind, told, data)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    if root == ROOT and sources.hashes(job.sources) != dict(job.sources):
        raise NoMeasurement(f"{job.preset} seed {job.seed}: the sources changed while it ran; measure it again.")
    write_json(job.file(scratch), run)
    return run


def _rules(points: pl.DataFrame) -> list[str]:
    """The detectors that watched a run: those of a metric that it has."""
    metrics = set(points["metric"].unique())
    return [name for name, rule in Catalog("detectors", Detector).load()[0].items() if metrics & set(rule.watches)]


def _kept(job: Job, kind: type[Lab], shown: Mapping[str, Any], data: Path) -> Run:
    folder = run_folder(data, shown["run"])
    points = open_run(folder.path)
    layered = {*kind.headline, split_key(job.deciding)[0], *job.quoted}
    found = values(points, int(shown["steps"]), layered, kind.thresholds) | events(shown["events"], _rules(points))
    return {
        "seed": job.seed,
        "status": shown["status"],
        "steps": shown["steps"],
        "cpu_seconds": round(float(folder.state().get("cpu_seconds") or 0.0), 1),
        "values": {key: jsonable(value) for key, value in found.items()},
        "curve": film.curve(points, job.deciding) if job.deciding else None,
        "vectors": film.vectors(points),
        "provenance": shown["provenance"],
    }
