"""What the cards and the docs say is measured here: presets over their seeds, in full, through the command line.

    python -m engine.docs.measure LAB [PRESET …]   these
    python -m engine.docs.measure --all            every preset of every lab
    python -m engine.docs.measure --stale          those whose record is missing or of other sources
    python -m engine.docs.measure --confirm        renew the hash of records whose numbers did not move, and bands
    python -m engine.docs.measure --check 9-12     hold intervals against new seeds where that was not done since they were measured

Writes docs/measured/<lab>/<preset>.json and says beforehand how many runs and hours that takes.  What is finished is kept in
data/science/, so that a measurement that was killed, or stopped by --budget, goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.core.catalog import Catalog
from engine.core.paths import ROOT, data_folder
from engine.declare.lab_catalog import raw_document
from engine.docs.measure import check, plan, record
from engine.docs.measure.confirm import confirm
from engine.docs.measure.plan import BadRequest, Labs, Work
from engine.docs.measure.runs import Job, Run, finished, make
from engine.docs.measure.training import NoMeasurement
from engine.labs.lab import Lab
from engine.runs.series import split_key

AT_A_TIME = 2  # processes, unless --at-a-time says otherwise


def seeds(text: str) -> list[int]:
    """ "0-2" -> [0, 1, 2]; "0,3" -> [0, 3]."""
    out: list[int] = []
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not low.isdigit() or (dash and not high.isdigit()):
            raise argparse.ArgumentTypeError(f'"{text}" is no list of seeds; give one like 0-7 or 0,3.')
        out += range(int(low), int(high or low) + 1)
    return out


class Runner:
    """Makes jobs, several at a time, until the time is over; what is finished stays finished."""

    def __init__(self, kinds: Mapping[str, type[Lab]], scratch: Path, at_a_time: int, minutes: float | None) -> None:
        self.kinds, self.scratch, self.at_a_time = kinds, scratch, at_a_time
        self.until = None if minutes is None else time.monotonic() + 60 * minutes
        self.failed = self.left = 0

    def __call__(self, todo: Sequence[Work]) -> Iterable[tuple[Work, list[Run]]]:
        """Each preset with its runs, as soon as its last seed is in; a preset with a failed or missing run is left out."""
        with ThreadPoolExecutor(self.at_a_time) as pool:
            waiting: list[tuple[Work, list[Future[Run | None]]]] = [
                (one, [pool.submit(self._one, job) for job in one.jobs]) for one in todo
            ]
            for one, futures in waiting:
                runs = [run for future in futures if (run := future.result()) is not None]
                if len(runs) == len(futures):
                    yield one, runs

    def _one(self, job: Job) -> Run | None:
        run = finished(job, self.scratch)
        if run is not None:
            return run
        if self.until is not None and time.monotonic() > self.until:
            self.left += 1
            return None
        try:
            run = make(job, self.kinds[job.lab], self.scratch)
        except NoMeasurement as error:
            self.failed += 1
            say(str(error))
            return None
        say(f"{job.lab} {job.preset} seed {job.seed}: {run['status']}, {run['cpu_seconds']:.0f} CPU-seconds")
        return run


def measure(todo: Sequence[Work], runner: Runner, labs: Labs, docs: Path) -> None:
    """Run what is left and write a record per preset as soon as its last seed is in, then compare the presets."""
    jobs = plan.left(todo, runner.scratch)
    total = sum(len(one.jobs) for one in todo)
    say(f"{len(todo)} presets, {len(jobs)} of {total} runs to make, about {plan.hours(jobs, docs, runner.at_a_time):.1f} hours.")
    kinds = record.metrics()
    for one, runs in runner(todo):
        kept = {split_key(key.rpartition("|")[0])[0] for key in record.keys(runs)}
        knobs, decides, _ = plan.state(labs, one.lab, one.preset, kept)
        record.write(docs, record.document(one.lab, one.preset, knobs, decides, runs, kinds))
    record.pair_up(docs, plan.pairs(labs))


def confirm_all(chosen: Iterable[tuple[str, str]], runner: Runner, labs: Labs, docs: Path) -> None:
    chosen = list(chosen)
    for name in record.redraw(docs, chosen):
        say(f"{name}: its bands are drawn anew from its numbers, as what is known of a metric has changed.")
    for one in plan.work(labs, list(plan.stale(labs, chosen, docs)), [0]):
        found = record.read(docs, one.lab, one.preset)
        if found is None:
            say(f"{one.lab}/{one.preset} has no record to confirm; measure it.")
            continue
        try:
            knobs, decides, _ = plan.state(labs, one.lab, one.preset, plan.kept(found))
            moved = confirm(found, one.jobs[0], runner.kinds[one.lab], runner.scratch, docs, knobs, decides)
        except NoMeasurement as error:
            moved = str(error)
        runner.failed += bool(moved)
        say(moved or f"{one.lab}/{one.preset}: every number of seed 0 is the same; the record is confirmed.")


def check_all(chosen: Iterable[tuple[str, str]], wanted: Sequence[int], runner: Runner, labs: Labs, docs: Path, again: bool) -> None:
    """Check what has no check of its last measurement; with `again`, all that is chosen."""
    records, checked = record.of_all(docs), check.read(docs)
    todo = [pair for pair in chosen if (found := records.get("/".join(pair))) and (again or check.due(checked, "/".join(pair), found))]
    work = plan.work(labs, todo, wanted)
    jobs = plan.left(work, runner.scratch)
    say(f"{len(work)} presets, {len(jobs)} runs to make, about {plan.hours(jobs, docs, runner.at_a_time):.1f} hours.")
    for one, runs in runner(work):
        name = f"{one.lab}/{one.preset}"
        checked[name] = check.of_preset(records[name], runs)
        check.write(docs, checked, records)
        say(f"{name}: {checked[name]['inside']} of {checked[name]['of']} inside")
    for complaint in check.complaints(checked, records):
        say(complaint)


def say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def main(given: Sequence[str]) -> int:
    """0 when everything was measured, 3 when a run failed or time was over before."""
    parser = argparse.ArgumentParser(prog="python -m engine.docs.measure", description="Measure presets over their seeds, in full.")
    parser.add_argument("lab", nargs="?", help="a lab; without it, --all, --stale, --confirm or --check")
    parser.add_argument("presets", nargs="*", help="presets of the lab; none means all that this machine can run")
    parser.add_argument("--all", action="store_true", help="every preset of every lab")
    parser.add_argument("--stale", action="store_true", help="only presets whose record is missing or of other sources")
    parser.add_argument("--confirm", action="store_true", help="run one seed at the record's commit and here, and renew the record's hash")
    parser.add_argument("--check", type=seeds, metavar="SEEDS", help="how many intervals hold these new seeds, like 9-12")
    parser.add_argument("--seeds", type=seeds, default=list(range(record.SEEDS)), help="like 0-7, which is the default, or 0,3")
    parser.add_argument("--at-a-time", type=int, default=AT_A_TIME, help="how many runs train side by side")
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="begin no run after so many minutes")
    parser.add_argument("--dirty", action="store_true", help="measure a tree with changes; the records go to data/science/measured/")
    arguments = parser.parse_args(given)
    if not (arguments.lab or arguments.all or arguments.stale or arguments.confirm or arguments.check):
        parser.error("name a lab, or give --all, --stale, --confirm or --check")
    kinds, broken = Catalog("", Lab).load()
    for bad in broken:
        say(f"{bad.file}: {bad.message}")
    scratch = data_folder() / "science"
    docs = scratch / "measured" if arguments.dirty else ROOT / "docs" / "measured"
    changed = plan.changed_files()
    if changed and not arguments.dirty:
        say(f"{', '.join(changed[:3])} differ from the commit; commit them first, or give --dirty to write under {scratch}.")
        return 3
    scratch.mkdir(parents=True, exist_ok=True)
    labs: dict[str, Any] = {entry["lab"]: entry for entry in raw_document(scratch, progress=say)["labs"]}
    runner = Runner(kinds, scratch.resolve(), arguments.at_a_time, arguments.budget)
    try:
        chosen = plan.presets(labs, arguments.lab, arguments.presets)
        if arguments.confirm:
            confirm_all(chosen, runner, labs, docs)
        elif arguments.check:
            check_all(chosen, arguments.check, runner, labs, docs, again=bool(arguments.lab or arguments.all))
        else:
            if arguments.stale:
                chosen = list(plan.stale(labs, chosen, docs))
            measure(plan.work(labs, chosen, arguments.seeds), runner, labs, docs)
    except BadRequest as error:
        say(str(error))
        return 3
    if runner.left:
        say(f"The time is over and {runner.left} runs are left; the same command goes on.")
    return 3 if runner.failed or runner.left or broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
