"""What the page *Compare* draws, read from the index once for all visitors, and again when a run has moved on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.compare.arms import Arms
from engine.compare.curves import Curves, curves
from engine.compare.kinds import Labs, kind_of
from engine.compare.overview import Overview, overview, time_to
from engine.index.store import Store
from engine.runs.series import split_key

KEPT = 24


@dataclass(frozen=True)
class Question:
    """What a person chose; `level` of the metric, reached from above or from below; `within`: the steps that the curves show."""

    metric: str
    baseline: str
    by: str
    level: float | None = None
    above: bool = False
    within: tuple[int, int] | None = None


@dataclass(frozen=True)
class Answer:
    """All numbers of one page; `times` is None without a level."""

    overview: Overview
    curves: Curves
    times: Overview | None


_kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()


def answer(store: Store, arms: Arms, labs: Labs, stamp: Mapping[str, tuple[str, int]], question: Question, keys: tuple[str, ...]) -> Answer:
    """`stamp`: run -> status and steps, as the index has them; as long as it is the same nothing is read again, and values of runs only
    when one has ended."""
    standing = {run: status for run, (status, _) in stamp.items()}
    baseline = arms.arm(question.baseline)
    of = (str(store.data), tuple(stamp.items()), question.metric)

    def read_overview() -> Overview:
        return overview(store, arms, labs, question.metric, baseline=baseline, by=question.by, keys=keys)

    def read_curves() -> Curves:
        shared = {knob: value for knob, value in arms.arms[0].knobs.items() if knob not in arms.differing}
        name, layer = split_key(question.metric)
        return curves(store, arms, (name, layer), baseline.name, kind_of(labs, name, shared), standing, question.within)

    def read_times() -> Overview | None:
        if question.level is None:
            return None
        return time_to(store, arms, question.metric, question.level, above=question.above, baseline=baseline, by=question.by)

    return Answer(
        overview=_once((str(store.data), tuple(standing.items()), question.metric, question.baseline, question.by), read_overview),
        curves=_once((*of, "curves", question.baseline, question.within), read_curves),
        times=_once((*of, "times", question), read_times),
    )


def _once(key: tuple[Any, ...], read: Any) -> Any:
    """The newest answers are kept; several visitors look at the same runs, and a page is made again at every press."""
    if key in _kept:
        try:
            _kept.move_to_end(key)
            return _kept[key]
        except KeyError:  # pushed out by another visitor just now
            pass
    out = _kept[key] = read()
    while len(_kept) > KEPT:
        _kept.popitem(last=False)
    return out


def levels_between(drawn: Curves) -> list[float]:
    """Round values between the smallest and the largest of the curves, as levels to choose from; of positive values six a decade."""
    values = [v for one in drawn.arms for side in (one.median_low_B, one.median_high_B) for v in side.tolist() if abs(v) < float("inf")]
    if not values or min(values) == max(values):
        return []
    low, high = min(values), max(values)
    if low > 0:
        tenths = [float(f"{digit}e{power}") for power in range(-12, 13) for digit in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)]
        inside = [v for v in tenths if low < v < high]
        if len(inside) >= 3:
            return inside
    return [float(f"{low + (high - low) * n / 20:.3g}") for n in range(1, 20)]
