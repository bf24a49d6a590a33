"""One metric of several arms, in numbers: what each run came to, the comparison of the arms, and how many runs are still to come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.compare.arms import Arm, Arms, arms_of, by_of, metric_of
from engine.compare.kinds import Labs, kind_of, worst
from engine.declare.resolve import LabJson
from engine.runs.ending import ENDED, value_of
from engine.runs.folder import run_folder
from engine.runs.series import metric_words, series_key
from engine.runs.sweep_file import SWEEP_ID, member_runs, read_sweep
from engine.statistics.comparison import Comparison, compare
from engine.statistics.difference import Better
from engine.statistics.interval import Kind
from engine.statistics.matching import Key
from engine.statistics.sentences import DIVERGED, MISSED, Ending, Sentence, sentences

NEVER = math.nan


class Reads(Protocol):
    """What is asked of the index (engine.index.store.Store)."""

    def runs(self) -> list[dict[str, Any]]: ...
    def names(self, run: str) -> list[dict[str, Any]]: ...
    def last_values(self, runs: Sequence[str], name: str, layer: str = "") -> dict[str, float]: ...
    def first_steps(self, runs: Sequence[str], name: str, layer: str, level: float, *, above: bool = False) -> dict[str, float]: ...


@dataclass(frozen=True)
class Overview:
    """`compared`: the baseline and the arms compared with it.  `others`: arms that differ from it in more than the knob `by`, each alone.
    `values`: by arm and key, for runs that count."""

    arms: Arms
    metric: str
    by: str
    baseline: str
    compared: Comparison
    others: tuple[Comparison, ...]
    values: Mapping[str, Mapping[Key, float | None]]
    ending: Ending

    def sentences(self) -> list[Sentence]:
        """Everything that may be said, arms in their order, from `engine.statistics` alone."""
        return [sentence for one in (self.compared, *self.others) for sentence in sentences(one, self.ending, metric_words(one.metric))]

    def json(self) -> dict[str, Any]:
        """The document of `compare --json`."""
        one = self.compared.json()
        of = {arm["arm"]: arm for found in (self.compared, *self.others) for arm in found.json()["arms"]}
        arms = [{"knobs": dict(arm.knobs), "runs": list(arm.runs.values()), **of[arm.name]} for arm in self.arms.arms]
        return {"metric": self.metric, "arms": arms, "pairs": one["pairs"]}


def runs_of(data: Path, words: Sequence[str]) -> list[str]:
    """Runs, and the runs that there are of sweeps, each once.  KeyError or SweepUnreadable, in one sentence, for a word that is neither."""
    out: list[str] = []
    for word in words:
        if SWEEP_ID.match(word):
            out += [run for run in member_runs(data, read_sweep(data, word)).values() if run is not None]
        else:
            out.append(run_folder(data, word).run)
    return list(dict.fromkeys(out))


def declared(data: Path, runs: Sequence[str]) -> list[Mapping[str, Any]]:
    """The declarations of these runs, each once, without those that cannot be read.  KeyError, in one sentence, for one that is no run."""
    folders = [run_folder(data, run) for run in dict.fromkeys(runs)]
    return [spec for folder in folders if not folder.unreadable() and (spec := folder.spec())]


def standing_of(store: Reads, runs: Sequence[str]) -> dict[str, str]:
    """Run -> status as far as the index has read it: of one that counts as ended it has everything."""
    wanted = set(runs)
    return {row["run"]: row["status"] for row in store.runs() if row["run"] in wanted}


def chosen(store: Reads, specs: Sequence[Mapping[str, Any]], lab: LabJson | None) -> Arms:
    """The arms of these declarations.  ChoiceError, in one sentence, as `arms_of`."""
    return arms_of(specs, lab, standing_of(store, [spec["run"] for spec in specs]))


def metrics_of(store: Reads, arms: Arms) -> list[str]:
    """Keys of the scalar metrics of these runs.  Runs of one arm measure the same, so the first and the last of each are asked."""
    ends = dict.fromkeys(run for arm in arms.arms for run in (*list(arm.runs.values())[:1], *list(arm.runs.values())[-1:]))
    return sorted({series["key"] for run in ends for series in store.names(run) if series["kind"] == "scalar"})


def overview(
    store: Reads, arms: Arms, labs: Labs, metric: str, *, baseline: Arm, by: str | None = None, keys: Sequence[str] | None = None
) -> Overview:
    """What the runs came to in `metric`.  ChoiceError, in one sentence, for a metric or a knob that they do not have."""
    name, layer = metric_of(metrics_of(store, arms) if keys is None else keys, metric, arms.lab)
    standing, runs = _standing(store, arms)
    last = store.last_values(runs, name, layer)
    values = {arm.name: {key: value_of(standing.get(run, ""), last.get(run)) for key, run in arm.runs.items()} for arm in arms.arms}
    shared = {knob: value for knob, value in arms.arms[0].knobs.items() if knob not in arms.differing}
    return _compared(arms, series_key(name, layer), values, baseline, by_of(arms, by), worst(name), kind_of(labs, name, shared), DIVERGED)


def time_to(store: Reads, arms: Arms, metric: str, level: float, *, above: bool, baseline: Arm, by: str | None = None) -> Overview:
    """The first step at which each run is at or below `level` (at or above it).  A run that ended without reaching it missed it."""
    name, layer = metric_of([metric], metric, arms.lab)
    standing, runs = _standing(store, arms)
    first = store.first_steps(runs, name, layer, level, above=above)
    values = {arm.name: {key: step_of(standing.get(run, ""), first.get(run)) for key, run in arm.runs.items()} for arm in arms.arms}
    words = f"steps to {metric} {'at least' if above else 'at most'} {level:g}"
    return _compared(arms, words, values, baseline, by_of(arms, by), "lower", Kind(whole=True, low=0.0), MISSED)


def step_of(status: str, first: float | None) -> float | None:
    """The step at which a level was reached; NEVER if the run finished or diverged without it, None where it still may or might have."""
    if first is not None:
        return first
    return NEVER if status in ("finished", "diverged") else None


def still_out(arms: Arms, standing: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Arm -> (runs that have ended, runs), of those that count."""
    return {arm.name: (sum(standing.get(run) in ENDED for run in arm.runs.values()), len(arm.runs)) for arm in arms.arms}


def _standing(store: Reads, arms: Arms) -> tuple[dict[str, str], list[str]]:
    runs = [run for arm in arms.arms for run in arm.runs.values()]
    return standing_of(store, runs), runs


def _compared(
    arms: Arms,
    metric: str,
    values: Mapping[str, Mapping[Key, float | None]],
    baseline: Arm,
    by: str,
    side: Better,
    kind: Kind,
    ending: Ending,
) -> Overview:
    together = arms.equal_but(by, baseline)
    apart = [arm for arm in arms.arms if arm not in together]

    def compared(some: Sequence[Arm], first: str) -> Comparison:
        of = {arm.name: values[arm.name] for arm in some}
        try:
            return compare(metric, of, first, side, kind)
        except ValueError:  # a value that its metric says it cannot have: then nothing is known of its kind
            return compare(metric, of, first, side)

    return Overview(
        arms=arms,
        metric=metric,
        by=by,
        baseline=baseline.name,
        compared=compared(together, baseline.name),
        others=tuple(compared([arm], arm.name) for arm in apart),
        values=values,
        ending=ending,
    )
