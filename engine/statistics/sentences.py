"""Every sentence of a comparison, made from its numbers and from nothing else.

What a sentence may say is decided where the number is made (arm, difference, sequence, noise floor); this file has the words only.  "Is
lower" and "is higher" stand in two of them: the verdict of a test, and the decision of a sequence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.statistics import bootstrap, sequence, sign_flip_interval
from engine.statistics.arm import Arm
from engine.statistics.comparison import Comparison
from engine.statistics.difference import DIRECTION, LEVEL, Difference
from engine.statistics.holm import holm
from engine.statistics.noise_floor import FEWEST as FLOOR_RUNS
from engine.statistics.noise_floor import Floor
from engine.statistics.sequence import Looks
from engine.statistics.sign_flip_interval import FEWEST

MORE = 4  # seeds that the page offers to add

TEST = {"sign flip": "sign-flip test", "sign test": "sign test"}

Topic = Literal["values", "diverged", "left out", "difference", "bootstrap", "direction", "noise floor", "sequence", "seeds"]


@dataclass(frozen=True)
class Ending:
    """How to call a run whose value is not finite: it `did` so, the others are runs `without` it, `run` is one of them."""

    did: str
    without: str
    run: str


DIVERGED = Ending("diverged", "that did not diverge", "a diverged run")
MISSED = Ending("missed the threshold", "that reached it", "a run that missed it")  # of the steps it takes to reach a threshold


@dataclass(frozen=True)
class Sentence:
    """`arm`: the arm that it is about, compared with the baseline or by itself; "" for one about the whole comparison."""

    arm: str
    topic: Topic
    text: str


def sentences(comparison: Comparison, ending: Ending = DIVERGED, metric: str = "") -> list[Sentence]:
    """All that may be said: of each arm, of the noise floor, and of each arm against the baseline.  `ending`: what a value that is not
    finite means for this metric.  `metric`: what to call it, where not by its key."""
    said = [Sentence(arm.name, topic, text) for arm in comparison.arms for topic, text in _arm(arm, metric or comparison.metric, ending)]
    if comparison.differences:
        said += [Sentence("", "noise floor", _floor(comparison.floor, comparison.baseline, ending))]
    many = len(comparison.differences)
    smallest = _smallest(comparison.differences)
    for difference, least, looks in zip(comparison.differences, smallest, comparison.looks, strict=True):
        said += [Sentence(difference.first, topic, text) for topic, text in _difference(difference, comparison.floor, many, least, ending)]
        said += [Sentence(difference.first, "sequence", text) for text in _sequence(difference, looks, many)]
    if any(d.p is not None for d in comparison.differences):
        fixed = "Intervals of a mean and p hold where the number of seeds was fixed beforehand"
        said += [Sentence("", "sequence", f"{fixed}; where seeds were added after a look, go by the sequence.")]
        looked = "Nothing corrects for having looked at several metrics, thresholds or baselines"
        said += [Sentence("", "sequence", f"{looked}: of 20 such tests one tells a direction by chance.")]
    return said


def _smallest(differences: Sequence[Difference]) -> list[float | None]:
    """Of each comparison the smallest corrected p that as many pairs could have had; None where there is no test."""
    return holm(
        [None if d.p is None else 2 / 2**d.n if d.n <= sign_flip_interval.EXACT else 1 / sign_flip_interval.DRAWS for d in differences]
    )


def _more(pairs: int, many: int) -> int:
    """Seeds after which p can fall below LEVEL, corrected for so many comparisons; at least the MORE that the page adds at a time."""
    needed = next(n for n in range(DIRECTION, 64) if many * 2 / 2**n < LEVEL)
    return max(MORE, needed - pairs)


def _arm(arm: Arm, metric: str, ending: Ending) -> Iterator[tuple[Topic, str]]:
    share = arm.diverged
    rest = f" {ending.without}" if share.k else ""
    if not share.n:
        yield "values", f"No run of {arm.name} has a value of {metric}."
    elif arm.median is None:
        yield "values", f"No run of {arm.name} has a finite value of {metric}."
    elif arm.form == "value":
        yield "values", f"{arm.name}: {metric} {figure(arm.median)}, one run{rest}."
    elif arm.low == arm.high:
        yield "values", f"{arm.name}: {metric} {figure(arm.median)} in {_all(arm.finite)} runs{rest}."
    elif arm.low is not None and arm.high is not None:
        ends = f"{figure(arm.low)} to {figure(arm.high)}"
        about = "range of" if arm.form == "range" else "90 % prediction interval of one more run, from"
        yield "values", f"{arm.name}: median {metric} {figure(arm.median)}, {about} {arm.finite} runs{rest}: {ends}."
    if share.n and share.low is not None and share.high is not None:
        ends = f"{_percent(share.low)} to {_percent(share.high)}"
        yield "diverged", f"{share.k} of {_count(share.n, 'run')} of {arm.name} {ending.did}; 95 % interval of the probability: {ends}."
    if arm.without:
        verb = "has" if arm.without == 1 else "have"
        yield "left out", f"{_count(arm.without, 'run')} of {arm.name} {verb} no value of {metric} and {_are(arm.without)} left out."


def _floor(floor: Floor, baseline: str, ending: Ending) -> str:
    if floor.single is not None:
        if not floor.single:
            return f"The noise floor is 0: all {floor.n} runs of {baseline} have the same value."
        size = figure(floor.single)
        apart = f"two fresh runs of {baseline} lie at most {size} apart in 9 of 10 cases"
        return f"Noise floor: {apart}, if values are about normal ({floor.n} runs)."
    if floor.n < FLOOR_RUNS:
        return (
            f"The noise floor is not measured: that takes {FLOOR_RUNS} runs of {baseline}, and there {_are(floor.n)} {floor.n or 'none'}."
        )
    return f"The noise floor is not measured: {floor.diverged} of {floor.n} runs of {baseline} {ending.did}."


def _difference(d: Difference, floor: Floor, many: int, least: float | None, ending: Ending) -> Iterator[tuple[Topic, str]]:
    names = f"{d.first} minus {d.second}"
    for name, other, count in ((d.first, d.second, d.alone[0]), (d.second, d.first, d.alone[1])):
        if count:
            runs = f"{_count(count, 'run')} of {name}"
            yield "left out", f"{runs} {_are(count)} not compared: {other} has no value for the same seed and data order."
    if not d.n:
        yield "seeds", f"{d.first} and {d.second} share no seed and data order, so nothing can be compared pair by pair."
        return
    yield "difference", _size(d, names, ending)
    if d.bootstrap is not None and d.bootstrap[0] < d.bootstrap[1]:
        ends = " to ".join(figure(end) for end in d.bootstrap)
        held = "it held the mean in {} to {} % of simulated cases, not in 90 %".format(*bootstrap.HELD)
        yield "bootstrap", f"The BCa bootstrap ({bootstrap.RESAMPLES:,} resamples) gives {ends} for the same mean; {held}."
    if d.n < FEWEST:
        few = "One pair is" if d.n == 1 else f"{d.n} pairs are"
        yield "seeds", f"{few} too few for {'a test' if any(d.diverged) else 'an interval'}; {MORE} more seeds would do."
    elif d.n < DIRECTION:
        yield (
            "seeds",
            f"From {d.n} pairs no direction can be told, as p cannot fall below {2 / 2**d.n:.4g}; "
            f"{_more(d.n, many)} more seeds could tell one.",
        )
    else:
        yield "direction", _direction(d, many)
        if least is not None and least >= LEVEL:
            below = f"p cannot fall below {least:.3g} from {d.n} pairs"
            yield "seeds", f"Corrected for {many} comparisons {below}; {_more(d.n, many)} more seeds could tell a direction."
    size = floor.of_mean(d.n)
    if d.mean is not None and size and d.n >= FEWEST:
        side = "inside" if abs(d.mean) <= size else "outside"
        yield "noise floor", f"The mean {names} lies {side} the noise floor of a mean of {d.n} pairs, ±{figure(size)}."


def _size(d: Difference, names: str, ending: Ending) -> str:
    """The differences themselves, or their mean with its interval, or how often which sign came."""
    first, second, both = d.diverged
    if d.n < FEWEST:
        finite = ", ".join(figure(v) for v in d.differences if math.isfinite(v))
        parts = [f"{names}, pair by pair: {finite}"] if finite else []
        ends = ((first, f"only {d.first} {ending.did}"), (second, f"only {d.second} {ending.did}"), (both, f"both {ending.did}"))
        parts += [f"in {_count(count, 'pair')} {what}" for count, what in ends if count]
        text = "; ".join(parts)
        return f"{text[0].upper()}{text[1:]}." if not finite else f"{text}."
    if any(d.diverged):
        lower, equal, higher = d.signs
        counts = f"{d.first} was lower than {d.second} in {lower} of {d.n} pairs, higher in {higher}, equal in {equal}"
        worst = "higher" if d.better == "lower" else "lower"
        return f"{counts}; {ending.run} counts as {worst} than any number, so there is no mean."
    if d.mean is None or d.low is None or d.high is None:
        raise ValueError(f"{d.n} finite pairs came without mean or interval; make the record with the function difference.")
    if d.low == d.high:
        return f"{names}: {figure(d.mean)} in all {d.n} pairs."
    how = "" if d.exact else f" ({sign_flip_interval.DRAWS:,} random patterns)"
    ends = f"{figure(d.low)} to {figure(d.high)}"
    about = f"90 % interval of the mean by flipping signs{how}, if differences lie symmetrically around it"
    return f"{names}: mean {figure(d.mean)} over {d.n} pairs, {about}: {ends}."


def _direction(d: Difference, many: int) -> str:
    if d.corrected is None:
        raise ValueError(f"{d.n} pairs came without a p; make the record with the function difference.")
    by = f"p {chance(d.corrected)} by the {TEST[d.test]} over {d.n} pairs"
    by += f", corrected for {many} comparisons" if many > 1 else ""
    if d.verdict in ("lower", "higher"):
        if d.test == "sign flip":
            return f"{d.first} is {d.verdict} than {d.second} on average: {by}."
        return f"{d.first} is {d.verdict} than {d.second} in more pairs than the other way round: {by}."
    return f"These runs do not tell which of {d.first} and {d.second} has the lower values, nor that they are equal: {by}."


def _sequence(d: Difference, looks: Looks, many: int) -> Iterator[str]:
    if not looks.n:
        return
    e, needed = f"{looks.e:.3g}", f"{looks.needed:.0f}"
    if looks.state in ("lower", "higher"):
        series = "such series" if many == 1 else f"such sets of {many} series"
        side = f"{d.first} is more often {looks.state} than {_other(looks.state)} compared with {d.second}"
        yield f"Seed by seed, decided after {looks.n} pairs: {side} (evidence {e}, {needed} needed)."
        yield f"If nothing differed, at most 5 % of {series} would ever decide."
    elif looks.state == "undecided":
        width = looks.half_width
        size = "" if width is None else f" at ±{figure(width)}"
        yield f"Seed by seed, undecided{size} after {looks.n} pairs, where the series ends (evidence {e}, {needed} needed)."
    else:
        least = sequence.fewest(looks.needed)
        rest = f"; it takes {least} pairs at least" if looks.n < least else ""
        so_far = f"{_count(looks.n, 'pair')} of at most {sequence.LONGEST}"
        yield f"Seed by seed, not decided after {so_far} (evidence {e}, {needed} needed{rest})."
    if looks.low is not None and looks.high is not None and looks.low < looks.high:
        each = " for each arm" if many > 1 else ""
        ends = f"between {figure(looks.low)} and {figure(looks.high)} (95 %{each}, at every look)"
        yield f"The median {d.first} minus {d.second} lies {ends}."


def figure(value: float | None) -> str:
    """Four significant digits; k, M, G from 10,000 on, never a suffix below."""
    if value is None:
        return "–"
    value += 0.0  # no "-0"
    for size, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if size * (10 if suffix == " k" else 1) <= abs(value) < 1e13:
            return f"{value / size:.4g}{suffix}"
    return f"{value:.4g}"


def chance(p: float) -> str:
    """ "= 0.0312", "below 0.001"; rounding never carries a p across LEVEL."""
    if p < 0.001:
        return "below 0.001"
    text = f"{p:.3g}"
    return f"= {text}" if (float(text) < LEVEL) == (p < LEVEL) else f"just below {LEVEL}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _all(n: int) -> str:
    return "both" if n == 2 else f"all {n}"


def _other(side: str) -> str:
    return "higher" if side == "lower" else "lower"


def _percent(share: float) -> str:
    """Whole percent, and a digit more where that would claim that something never or always happens."""
    return f"{100 * share:.0f} %" if not 0 < min(share, 1 - share) < 0.005 else f"{100 * share:.1f} %"
