"""Compare runs that differ in their seeds and in a knob or more: shares, medians, paired differences, and what may be said of them.

An arm is all runs whose knobs are equal but for seed, data_seed and probes; runs of two arms with the same seed and data order are a
pair.  A run that diverged is worse than any other.  NAME of the baseline is a run of it or KNOB=VALUE.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.commands._answer import ANSWERED, BAD_USAGE, FAILED, NOT_FOUND, Refusal, tell
from engine.commands._index import index
from engine.commands.labs import catalog
from engine.core.paths import data_folder
from engine.runs.sweep_file import SweepUnreadable

if TYPE_CHECKING:
    from engine.compare.overview import Overview


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="SWEEP|RUN")
    parser.add_argument("--metric", required=True, metavar="M", help="NAME or NAME@LAYER of a metric that has one number a step")
    parser.add_argument("--by", metavar="KNOB", help="compare only arms that differ from the baseline in this knob alone")
    parser.add_argument("--baseline", metavar="NAME", help="the arm that the others are compared with; the first one unless named")


def run(args: argparse.Namespace) -> int:
    from engine.compare.arms import ChoiceError, baseline_of, by_of
    from engine.compare.notes import COUNTS, notes
    from engine.compare.overview import chosen, declared, metrics_of, overview, runs_of, standing_of

    try:
        specs = declared(data_folder(), runs_of(data_folder(), args.runs))
    except KeyError as error:
        raise Refusal(NOT_FOUND, error.args[0]) from None
    except SweepUnreadable as error:
        raise Refusal(FAILED, str(error)) from None
    labs = catalog()
    lab = next((lab for lab in labs["labs"] if specs and lab["lab"] == specs[0]["lab"]), None)
    with index() as owner:
        try:
            arms = chosen(owner.store, specs, lab)
            baseline, by = baseline_of(arms, args.baseline), by_of(arms, args.by)
        except ChoiceError as error:
            raise Refusal(BAD_USAGE, str(error)) from None
        try:
            found = overview(owner.store, arms, labs, args.metric, baseline=baseline, by=by, keys=metrics_of(owner.store, arms))
        except ChoiceError as error:
            raise Refusal(NOT_FOUND, str(error)) from None
        standing = standing_of(owner.store, [run for arm in arms.arms for run in arm.runs.values()])
    tell(args.json, found.json(), _lines(found, [COUNTS, *notes(arms, standing)]))
    return ANSWERED


def _lines(overview: Overview, notes: list[str]) -> Iterator[str]:
    arms = overview.arms
    yield f"{overview.metric} of {sum(len(arm.runs) for arm in arms.arms)} runs of {arms.lab}; the baseline is {overview.baseline}."
    yield from notes
    if any(arm.name.startswith("arm ") for arm in arms.arms):
        for arm in arms.arms:
            yield f"{arm.name}: {' '.join(f'{name}={arm.knobs[name]}' for name in arms.differing if name in arm.knobs)}"
    about = None
    for sentence in overview.sentences():
        if sentence.arm != about:
            about = sentence.arm
            yield ""
        yield sentence.text
