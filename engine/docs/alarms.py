"""How often each detector is wrong and how early it is right, measured over small runs of these labs, stable and breaking.

    python -m engine.docs.alarms --data FOLDER [--at-a-time 2] [--only LAB] [--runs N] [--budget MINUTES] [--dirty]

Trains what the folder does not hold yet (a run that is there is not trained again, so that a killed measurement goes on), replays
every detector over the stored readings and writes docs/measured/detectors.json.  It prints how many runs and about how many
CPU-minutes are ahead.  With --runs or --only nothing but the folder is written: too few runs for a rate.
A dirty tree is refused unless --dirty is given, which also writes to the folder only.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
from scipy.special import gammainccinv

from engine.core.catalog import Catalog
from engine.core.files import read_json, write_json
from engine.core.paths import ROOT
from engine.docs.alarm_origin import FORMAT, origin, tree_is_dirty
from engine.docs.alarm_plan import PLAN, Planned
from engine.docs.damage import damaged_at
from engine.docs.measure.training import NoMeasurement, train
from engine.index.open_run import open_run
from engine.labs.detector import Detector

CPU_SECONDS = 9.0  # of one run with its start, about
RULE_OF_CHANCE = 0.05  # a bound is wrong in one of twenty measurements


@dataclass(frozen=True)
class Replayed:
    """One run after all detectors have seen it."""

    kind: str  # "stable" or "breaking", as planned
    lab: str
    preset: str
    seed: int
    status: str
    cpu_seconds: float
    steps: int
    damage: int | None  # step, None where the loss was not damaged
    read: dict[str, int]  # rule -> steps with a reading that it watches
    events: dict[str, list[int]]  # rule -> the steps at which it fired


def replay(planned: Planned, folder: Path, document: Mapping[str, Any], detectors: Mapping[str, type[Detector]]) -> Replayed:
    """Every detector over the stored readings of one run, in the order of the steps: the same events as online."""
    rules = {name: kind(document["knobs"]) for name, kind in detectors.items()}
    watched = {name for kind in detectors.values() for name in kind.watches}
    points = open_run(folder).filter(pl.col("layer") == "", pl.col("index").is_null(), pl.col("metric").is_in(list(watched)))
    by_step: dict[int, dict[str, float]] = {}
    for metric, step, value in points.select("metric", "step", "value").iter_rows():
        by_step.setdefault(step, {})[metric] = value
    events: dict[str, list[int]] = {name: [] for name in rules}
    read = dict.fromkeys(rules, 0)
    for step in sorted(by_step):
        for name, rule in rules.items():
            read[name] += any(metric in by_step[step] for metric in rule.watches)
            events[name] += [event.step for event in rule.update(step, by_step[step])]
    losses = [(step, by_step[step]["loss/train"]) for step in sorted(by_step) if "loss/train" in by_step[step]]
    seconds = float((read_json(folder / "state.json") or {}).get("cpu_seconds") or 0.0)
    return Replayed(
        planned.kind, planned.lab, planned.preset, planned.seed, document["status"], round(seconds, 1), document["steps"],
        damaged_at(losses), read, events,
    )  # fmt: skip


def rates(runs: Sequence[Replayed], rule: str) -> dict[str, Any]:
    """What the reference says of one rule: false alarms in stable runs, and lead to the damage in breaking ones.

    A run that was planned as stable and whose loss was damaged counts as neither.  A bound is the largest rate at which so few
    alarms or fewer still come in one of twenty measurements: 2.5 per 10,000 for none in 12,000 steps.
    """
    mine = [run for run in runs if run.read.get(rule)]
    stable = [run for run in mine if run.kind == "stable" and run.damage is None]
    steps, alarms = sum(run.read[rule] for run in stable), sum(len(run.events[rule]) for run in stable)
    damaged = [run for run in mine if run.kind == "breaking" and run.damage is not None]
    leads = [run.damage - run.events[rule][0] for run in damaged if run.damage is not None and run.events[rule]]
    silent = [run for run in mine if run.kind == "breaking" and run.damage is None]
    return {
        "stable": {
            "runs": len(stable),
            "set_aside": sum(run.kind == "stable" for run in mine) - len(stable),
            "steps": steps,
            "alarms": alarms,
            "per_10000": round(1e4 * alarms / steps, 2) if steps else None,
            "at_most_per_10000": round(1e4 * most(alarms) / steps, 2) if steps else None,
        },
        "breaking": {
            "runs": len(damaged),
            "before": sum(lead > 0 for lead in leads),
            "fired": len(leads),
            "lead": {"median": median(leads), "low": min(leads), "high": max(leads)} if leads else None,
        },
        "loss_unharmed": {"runs": len(silent), "fired": sum(bool(run.events[rule]) for run in silent)},
    }


def most(alarms: int) -> float:
    """The largest expectation of a Poisson count at which `alarms` or fewer still come with a chance of 5 %: 2.996 for none."""
    return float(gammainccinv(alarms + 1, RULE_OF_CHANCE))


def one_run(planned: Planned, scratch: Path) -> tuple[Path, dict[str, Any]]:
    """Train one planned run in a data folder of its own, or find it there -> (run folder, its `show` document).

    NoMeasurement, in one sentence, for a run that did not end by itself; it is trained again when this is run again.
    """
    data = scratch / planned.key
    document = read_json(data / "document.json")
    if document is None:
        document = train(planned.lab, planned.preset, planned.seed, data, knobs=planned.knobs)
        write_json(data / "document.json", document)
    return data / "runs" / document["run"], document


def record(runs: Sequence[Replayed], detectors: Iterable[str], documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The JSON of docs/measured/detectors.json."""
    return {
        "format": FORMAT,
        **origin(documents),
        "damage": " ".join((damaged_at.__doc__ or "").split()).removeprefix("-> "),
        "runs": [asdict(run) for run in runs],
        "rules": {rule: rates(runs, rule) for rule in detectors},
    }


def measure(plan: Sequence[Planned], scratch: Path, at_a_time: int, until: float) -> tuple[dict[str, Any], int]:
    """-> (the record of everything that ran, how many runs failed or were left out by the budget)."""
    detectors, broken = Catalog("detectors", Detector).load()
    for bad in broken:
        raise ImportError(f"{bad.file}: {bad.message}")
    runs, documents, missing = [], [], 0

    def train(planned: Planned) -> tuple[Path, dict[str, Any]] | None:
        return None if time.monotonic() > until and not (scratch / planned.key / "document.json").exists() else one_run(planned, scratch)

    with ThreadPoolExecutor(at_a_time) as pool:
        for planned, future in [(planned, pool.submit(train, planned)) for planned in plan]:
            try:
                done = future.result()
            except NoMeasurement as error:
                say(str(error))
                done = None
            if done is None:
                missing += 1
                continue
            runs.append(replay(planned, *done, detectors))
            documents.append(done[1])
            fired = {rule: steps for rule, steps in runs[-1].events.items() if steps}
            say(f"{planned.key}: {runs[-1].status}, {runs[-1].cpu_seconds:.0f} CPU-seconds, damage {runs[-1].damage}, {fired}")
    return record(runs, detectors, documents), missing


def say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def main(given: Sequence[str]) -> int:
    """0 when everything was measured, 2 for a dirty tree, 3 when runs are missing."""
    parser = argparse.ArgumentParser(prog="python -m engine.docs.alarms", description="Measure false alarms and lead of every detector.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the runs; what it holds is not trained again")
    parser.add_argument("--at-a-time", type=int, default=2, help="how many runs train side by side")
    parser.add_argument("--only", help="one lab")
    parser.add_argument("--runs", type=int, help="so many runs of each preset at most")
    parser.add_argument("--budget", type=float, default=math.inf, help="start no run after so many minutes")
    parser.add_argument("--dirty", action="store_true", help="measure a tree with changes, and write to the folder only")
    arguments = parser.parse_args(given)
    if tree_is_dirty() and not arguments.dirty:
        say("The tree has changes that are not committed, so no commit would name what was measured; commit them, or give --dirty.")
        return 2
    plan = [p for p in PLAN if arguments.only in (None, p.lab) and (arguments.runs is None or p.seed < arguments.runs)]
    scratch = arguments.data.resolve()
    ahead = sum(not (scratch / planned.key / "document.json").exists() for planned in plan)
    say(f"{len(plan)} runs, {ahead} of them to train: about {ahead * CPU_SECONDS / 60:.0f} CPU-minutes.")
    document, missing = measure(plan, scratch, arguments.at_a_time, time.monotonic() + 60.0 * arguments.budget)
    whole = not missing and len(plan) == len(PLAN) and not arguments.dirty
    target = ROOT / "docs" / "measured" / "detectors.json" if whole else scratch / "detectors.json"
    write_json(target, document)
    say(f"Written: {target}")
    return 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
