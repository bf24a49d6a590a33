"""Chooses points through Optuna, in a process of its own: a question as JSON on stdin, `{"points": […]}` on stdout.

    space      axes as a sweep's file holds them (engine/search/searches.py)
    direction  "minimize" or "maximize"
    seed       of the sampler: equal questions have equal answers
    known      [{"point", "value"}] of every point that was trained, in order; value null where its runs came to nothing
    many       points that are wanted; fewer come where nothing new is drawn
    file       Optuna's journal of the study, or null; written whole, and made again where it is lost, spoilt or says otherwise
    seconds    after which this process ends itself, also when nobody waits for it any more

Points that the journal says were chosen at last, and of which none was trained, were lost on the way to their runs: they come again.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.files import replace
from engine.declare.axes import DIGITS
from engine.search.outcome import Point

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

FINE = 1000  # different numbers that a range keeps at least when they are rounded
RANDOM = 8  # points that are drawn at random at first: two rounds, where Optuna's own ten would be three
REPEATS = 10, 60  # draws in a row that bring nothing new: from then on they are random; at that many no more is drawn

Space = Sequence[Mapping[str, Any]]


def answer(question: Mapping[str, Any]) -> list[Point]:
    """The next points.  OSError of the journal's disk is no reason to choose none: it is only kept for Optuna's own tools."""
    known, file = question["known"], Path(question["file"]) if question["file"] else None
    kept = _kept(file)
    lost, refused = _left(kept, known)
    refused_too = [{"point": trial.params, "value": None} for trial in refused]
    trials = [_trained(question["space"], one, kept) for one in [*known, *refused_too]]
    lost = lost[: question["many"]]
    points = [dict(trial.params) for trial in lost]
    points += _drawn(question, [*trials, *lost], question["many"] - len(lost))
    if file is not None:
        started = [*lost, *(_running(question["space"], point) for point in points[len(lost) :])]
        with contextlib.suppress(OSError):
            replace(file, lambda beside: _write(beside, file.parent.name, question["direction"], [*trials, *started]))
    return points


# -- choosing --------------------------------------------------------------------------------------------


def _drawn(question: Mapping[str, Any], trials: Sequence[FrozenTrial], many: int) -> list[Point]:
    """Points that are not among the trials, chosen by TPE; each of another seed, so that what was drawn before decides nothing."""
    import optuna
    from optuna.samplers import RandomSampler, TPESampler

    study = optuna.create_study(direction=question["direction"])
    study.add_trials(trials)
    seen = {_key(trial.params) for trial in trials}
    nested = any("only" in axis for axis in question["space"])
    points: list[Point] = []
    repeats = 0
    while len(points) < many and repeats < REPEATS[1]:
        seed = random.Random(f"{question['seed']} {len(study.trials)}").getrandbits(31)
        sampler = RandomSampler(seed=seed) if repeats >= REPEATS[0] else TPESampler(seed=seed, group=nested, n_startup_trials=RANDOM)
        trial, point = _ask(study, sampler, question["space"])
        if _key(point) in seen:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            repeats += 1
            continue
        seen.add(_key(point))
        points.append(point)
        repeats = 0
    return points


def _ask(study: Study, sampler: BaseSampler, space: Space) -> tuple[Any, Point]:
    study.sampler = sampler
    trial, point = study.ask(), {}
    for axis in sorted(space, key=lambda axis: "only" in axis):  # a question before what belongs to its answers
        if not applies(axis, point):
            continue
        knob, log = axis["knob"], axis["scale"] == "log"
        if "values" in axis:
            point[knob] = trial.suggest_categorical(knob, axis["values"])
        elif type(axis["low"]) is int:
            point[knob] = trial.suggest_int(knob, axis["low"], axis["high"], log=log)
        else:
            point[knob] = rounded(trial.suggest_float(knob, axis["low"], axis["high"], log=log), axis["low"], axis["high"])
    return trial, point


def applies(axis: Mapping[str, Any], point: Mapping[str, Any]) -> bool:
    """Whether a knob goes with the answers of a point."""
    return all(point.get(question) in answers for question, answers in axis.get("only", {}).items())


def rounded(value: float, low: float, high: float) -> float:
    """With as few digits as leave FINE numbers between both ends, and within them."""
    steps = (high - low) / max(abs(low), abs(high))
    digits = next((digits for digits in DIGITS if steps >= FINE * 10.0**-digits), DIGITS[-1])
    return min(high, max(low, float(f"{value:.{digits}g}")))


# -- the study --------------------------------------------------------------------------------------------


def _trained(space: Space, one: Mapping[str, Any], kept: Sequence[FrozenTrial]) -> FrozenTrial:
    """A point with its value as a trial, with the times of the journal where it has them."""
    from optuna.trial import TrialState, create_trial

    state = TrialState.FAIL if one["value"] is None else TrialState.COMPLETE
    trial = create_trial(state=state, value=one["value"], params=one["point"], distributions=_distributions(space, one["point"]))
    for old in kept:
        if _key(old.params) == _key(trial.params):
            trial.datetime_start = old.datetime_start
            if (old.state, old.values) == (trial.state, trial.values):
                trial.datetime_complete = old.datetime_complete
    return trial


def _running(space: Space, point: Point) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    return create_trial(state=TrialState.RUNNING, params=point, distributions=_distributions(space, point))


def _distributions(space: Space, point: Point) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    out: dict[str, BaseDistribution] = {}
    for axis in space:
        if axis["knob"] in point:
            if "values" in axis:
                out[axis["knob"]] = CategoricalDistribution(axis["values"])
            else:
                kind = IntDistribution if type(axis["low"]) is int else FloatDistribution
                out[axis["knob"]] = kind(axis["low"], axis["high"], log=axis["scale"] == "log")
    return out


def _left(kept: Sequence[FrozenTrial], known: Sequence[Mapping[str, Any]]) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
    """-> (trials of the last round where none of it was trained, those of other rounds that were not: a rule of the lab refuses them)."""
    trained = {_key(one["point"]) for one in known}
    last = [trial for trial in kept if not trial.state.is_finished()]
    lost = [] if any(_key(trial.params) in trained for trial in last) else last
    return lost, [trial for trial in kept if _key(trial.params) not in trained and trial not in lost]


def _kept(file: Path | None) -> list[FrozenTrial]:
    """The trials of a journal; none of one that is not there, or holds anything else."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    if file is None or not file.is_file():
        return []
    try:
        return optuna.load_study(study_name=file.parent.name, storage=JournalStorage(JournalFileBackend(str(file)))).trials
    except Exception:  # whatever the file holds makes Optuna stumble in its own way
        return []


def _write(file: Path, name: str, direction: str, trials: Sequence[FrozenTrial]) -> None:
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(file))), study_name=name, direction=direction)
    study.add_trials(trials)


def _key(point: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(point.items()))


def main() -> None:
    question = json.load(sys.stdin)
    if hasattr(signal, "alarm"):
        signal.alarm(max(1, round(question["seconds"])))
    warnings.simplefilter("ignore")  # of Optuna, that an argument of its sampler may change
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    json.dump({"points": answer(question)}, sys.stdout)


if __name__ == "__main__":
    main()
