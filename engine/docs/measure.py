"""What the cards and the docs say is measured here: presets over their seeds, in full, through the command line.

    python -m engine.docs.measure LAB [PRESET …] [--seeds 0-2] [--at-a-time 2] [--data FOLDER]
    python -m engine.docs.measure --all

Writes docs/measured/<lab>/<preset>.json.  Without --seeds a preset is measured over the seeds of its
last measurement, or 0-2.  Two processes at a time unless told otherwise; the runs live in a folder that is
deleted afterwards unless --data names one.  `_gpu` presets need a GPU and are left out by --all where there is none.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from engine.core.catalog import Catalog
from engine.core.device import resolve
from engine.core.files import read_json, write_json
from engine.core.nonfinite import jsonable, number
from engine.core.paths import ROOT
from engine.core.suggest import nearest
from engine.declare.lab_catalog import labs_document
from engine.index.open_run import open_run
from engine.labs.describe import expand_presets
from engine.labs.lab import Lab
from engine.runs.folder import run_folder
from engine.runs.series import split_key

AT_A_TIME = 2  # processes, unless --at-a-time says otherwise
MEASURABLE = ("finished", "diverged")  # any other end is no measurement

Run = dict[str, Any]
Thresholds = Mapping[str, Sequence[float]]


def seeds(text: str) -> list[int]:
    """ "0-2" -> [0, 1, 2]; "0,3" -> [0, 3]."""
    out: list[int] = []
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not low.isdigit() or (dash and not high.isdigit()):
            raise argparse.ArgumentTypeError(f'"{text}" is no list of seeds; give one like 0-2 or 0,3.')
        out += range(int(low), int(high or low) + 1)
    return out


def one_run(lab: str, preset: str, seed: int, shown: Sequence[str], thresholds: Thresholds, scratch: Path) -> Run:
    """Run a preset with one seed in a data folder of its own -> what is kept of it.  RuntimeError if the run did not end by itself."""
    data = Path(tempfile.mkdtemp(dir=scratch, prefix=f"{preset}-{seed}-"))
    shutil.copytree(scratch / "cache", data / "cache")
    command = [sys.executable, "-m", "engine", "run", lab, "--preset", preset, f"seed={seed}", "--json"]
    environment = {**os.environ, "FAULTLINE_DATA": str(data)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"{preset} seed {seed}: {done.stderr.strip().splitlines()[-1:]} (exit {done.returncode})") from None
    for artefact in (data / "cache").glob("*/*.pt"):  # teachers and feature networks, for the presets that come after this one
        shutil.copytree(artefact.parent, scratch / "cache" / artefact.parent.name, dirs_exist_ok=True)
    if told["status"] not in MEASURABLE:
        raise RuntimeError(f"{preset} seed {seed} ended {told['status']}; its folder is {data / 'runs' / told['run']}.")
    folder = run_folder(data, told["run"])
    reached = first_at_or_below(folder.path, thresholds)
    return kept(told, folder.state(), shown) | {"seed": seed} | ({"first_at_or_below": reached} if reached else {})


def first_at_or_below(run: Path, thresholds: Thresholds) -> dict[str, dict[str, int | None]]:
    """Metric -> level -> the first step at which the metric was there; None where it never was."""
    if not thresholds:
        return {}
    points = open_run(run).filter(pl.col("layer") == "", pl.col("index").is_null())
    out: dict[str, dict[str, int | None]] = {}
    for name, levels in thresholds.items():
        mine = points.filter(pl.col("metric") == name)
        out[name] = {f"{level:g}": mine.filter(pl.col("value") <= level)["step"].min() for level in levels}
    return out


def kept(document: Mapping[str, Any], state: Mapping[str, Any], shown: Sequence[str]) -> Run:
    """Of one `show` document: the end of every global metric and of the lab's own, the largest value of the global ones, the events."""
    scalars = {k: m for k, m in document["metrics"].items() if m["kind"] == "scalar" and not k.startswith("time/")}
    events: dict[str, dict[str, int]] = {}
    for event in document["events"]:
        seen = events.setdefault(event["kind"], {"count": 0, "first": event["step"]})
        seen["count"] += 1
    return {
        "status": document["status"],
        "steps": document["steps"],
        "cpu_seconds": round(float(state.get("cpu_seconds") or 0.0), 1),
        "metrics": {k: m["last"] for k, m in scalars.items() if not split_key(k)[1] or split_key(k)[0] in shown},
        "largest": {k: m["max"] for k, m in scalars.items() if not split_key(k)[1]},
        "events": events,
        "provenance": document["provenance"],
    }


def summary(runs: Iterable[Run]) -> dict[str, dict[str, Any]]:
    """Smallest, mean and largest last value of each metric over the seeds, and of the CPU seconds; one NaN makes all three NaN."""
    columns: dict[str, list[float]] = {}
    for run in runs:
        for key, value in [*run["metrics"].items(), ("cpu_seconds", run["cpu_seconds"])]:
            found = number(value)
            if found is not None:
                columns.setdefault(key, []).append(found)
    return {key: {name: jsonable(value) for name, value in _spread(column).items()} for key, column in columns.items()}


def _spread(column: Sequence[float]) -> dict[str, float]:
    if any(math.isnan(value) for value in column):
        return dict.fromkeys(("min", "mean", "max"), math.nan)
    return {"min": min(column), "mean": sum(column) / len(column), "max": max(column)}


def document(lab: str, preset: str, shown: Sequence[str], runs: Sequence[Run]) -> dict[str, Any]:
    """The JSON of one preset, from the runs of all its seeds."""
    first = runs[0]["provenance"]
    return {
        "lab": lab,
        "preset": preset,
        "device": first["device"],
        "versions": {"python": first["python"], **first["packages"]},
        "commit": first["commit"],
        "dirty": first["dirty"],
        "data": first["data"],
        "date": time.strftime("%Y-%m-%d"),
        "shown": list(shown),
        "seeds": [run["seed"] for run in runs],
        "runs": [{key: value for key, value in run.items() if key != "provenance"} for run in runs],
        "summary": summary(runs),
    }


def chosen(arguments: argparse.Namespace, labs: Mapping[str, type[Lab]], docs: Path) -> list[tuple[str, str, list[int]]]:
    """-> (lab, preset, seeds) of everything to measure.  SystemExit, in one sentence, for a name that does not exist."""
    if arguments.lab and arguments.lab not in labs:
        sys.exit(nearest("lab", arguments.lab, labs))
    gpu = resolve("auto").startswith("cuda")
    out = []
    for lab in [arguments.lab] if arguments.lab else sorted(labs):
        known = expand_presets(labs[lab])
        for name in arguments.presets:
            if name not in known:
                sys.exit(nearest(f"preset of {lab}", name, known))
        for name in arguments.presets or [
            n for n, p in known.items() if (p.get("arm") or not p["grid"]) and (gpu or not n.endswith("_gpu"))
        ]:
            before = read_json(docs / lab / f"{name}.json") or {}
            out.append((lab, name, arguments.seeds or before.get("seeds") or seeds("0-2")))
    return out


def measure(
    work: Sequence[tuple[str, str, list[int]]], labs: Mapping[str, type[Lab]], docs: Path, scratch: Path, at_a_time: int = AT_A_TIME
) -> int:
    """Run everything, two at a time by default, and write a file per preset as soon as its last seed is in -> how many runs failed."""
    labs_document(scratch, progress=lambda message: say(message))
    failed = 0
    with ThreadPoolExecutor(at_a_time) as pool:
        waiting = [
            (lab, preset, [pool.submit(one_run, lab, preset, seed, labs[lab].headline, labs[lab].thresholds, scratch) for seed in wanted])
            for lab, preset, wanted in work
        ]
        for lab, preset, futures in waiting:
            runs = []
            for future in futures:
                try:
                    runs.append(future.result())
                except RuntimeError as error:
                    failed += 1
                    say(str(error))
                    continue
                say(f"{lab} {preset} seed {runs[-1]['seed']}: {runs[-1]['status']}, {runs[-1]['cpu_seconds']:.0f} CPU-seconds")
            if len(runs) == len(futures):
                (docs / lab).mkdir(parents=True, exist_ok=True)
                write_json(docs / lab / f"{preset}.json", document(lab, preset, labs[lab].headline, runs))
    return failed


def say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def main(given: Sequence[str]) -> int:
    """0 when everything was measured, 3 when a run failed."""
    parser = argparse.ArgumentParser(prog="python -m engine.docs.measure", description="Measure presets over their seeds, in full.")
    parser.add_argument("lab", nargs="?", help="a lab; without it, --all")
    parser.add_argument("presets", nargs="*", help="presets of the lab; none means all that this machine can run")
    parser.add_argument("--all", action="store_true", help="every preset of every lab")
    parser.add_argument("--seeds", type=seeds, help="like 0-2 or 0,3; default: those of the last measurement, or 0-2")
    parser.add_argument("--at-a-time", type=int, default=AT_A_TIME, help="how many runs train side by side")
    parser.add_argument("--data", type=Path, help="keep the runs in this folder")
    arguments = parser.parse_args(given)
    if bool(arguments.lab) == arguments.all:
        parser.error("name a lab, or give --all")
    labs, broken = Catalog("", Lab).load()
    for bad in broken:
        say(f"{bad.file}: {bad.message}")
    docs = ROOT / "docs" / "measured"
    work = chosen(arguments, labs, docs)
    with tempfile.TemporaryDirectory(prefix="faultline-measure-") as temporary:
        scratch = arguments.data or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        return 3 if measure(work, labs, docs, scratch.resolve(), arguments.at_a_time) or broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
