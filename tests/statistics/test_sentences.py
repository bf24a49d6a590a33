"""Every sentence of a comparison: for 1 to 32 runs, finite or diverged, paired or not, it says what the numbers show and no more."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

from engine.statistics.comparison import Comparison, compare
from engine.statistics.matching import Values
from engine.statistics.sentences import MISSED, Sentence, chance, figure, sentences

DIVERGED = ("none", "first", "second", "both", "all")
PAIRED = ("all", "some", "none")
EFFECT = {"clear": -1.0, "nothing": 0.0}


def arms(n: int, diverged: str, paired: str, effect: str) -> dict[str, Values]:
    """Two arms of n runs; `diverged`: which of them has a run that did; "some" leaves the last run of each without a partner."""
    random = np.random.default_rng(n)
    base = random.normal(5, 0.3, n)
    other = base + EFFECT[effect] + random.normal(0, 0.1, n) if effect == "clear" else random.normal(5, 0.3, n)
    first, second = ({(s, 0): float(v) for s, v in enumerate(side)} for side in (other, base))
    if diverged == "all":
        first, second = (dict.fromkeys(side, math.nan) for side in (first, second))
    for name, side in (("first", first), ("second", second)):
        if diverged in (name, "both"):
            side[0, 0] = math.nan
    if paired == "none":
        second = {(s, 1): v for (s, _), v in second.items()}
    elif paired == "some":
        second[n - 1, 1] = second.pop((n - 1, 0))
    return {"base": second, "spam": first}


def texts(comparison: Comparison, topic: str, about: str = "spam") -> str:
    return " ".join(s.text for s in sentences(comparison) if s.topic == topic and s.arm == about)


@pytest.mark.parametrize("effect", EFFECT)
@pytest.mark.parametrize("paired", PAIRED)
@pytest.mark.parametrize("diverged", DIVERGED)
def test_no_sentence_says_more_than_the_numbers_show(diverged: str, paired: str, effect: str) -> None:
    for n in range(1, 33):
        comparison = compare("loss", arms(n, diverged, paired, effect), "base")
        d, looks = comparison.differences[0], comparison.looks[0]
        pairs = {"all": n, "some": n - 1, "none": 0}[paired]
        finite = not any(d.diverged)
        assert d.n == pairs
        _is_plain(sentences(comparison))
        for arm in comparison.arms:
            values = texts(comparison, "values", arm.name)
            assert ("range of" in values) == (arm.finite >= 2 and not (n >= 8 and arm.finite >= 5))
            assert ("prediction interval" in values) == (n >= 8 and arm.finite >= 5)
            assert f"{n - arm.finite} of {n} run" in texts(comparison, "diverged", arm.name)
        size, direction = texts(comparison, "difference"), texts(comparison, "direction")
        assert ("90 % interval of the mean" in size) == (pairs >= 5 and finite)
        assert ("random patterns" in size) == (pairs >= 17 and finite)
        assert ("there is no mean" in size) == (pairs >= 5 and not finite)
        assert ("pair by pair:" in size) == (1 <= pairs < 5 and any(map(math.isfinite, d.differences)))
        assert bool(texts(comparison, "bootstrap")) == (pairs >= 10 and finite)
        assert bool(texts(comparison, "seeds")) == (pairs < 6)
        assert bool(direction) == (pairs >= 6)
        assert bool(re.search(r"spam is (lower|higher) than base", direction)) == (d.verdict in ("lower", "higher"))
        if d.verdict in ("lower", "higher"):
            assert pairs >= 6
            assert d.corrected is not None
            assert d.corrected < 0.05
            assert f"spam is {d.verdict} than base" in direction
        elif pairs >= 6:
            assert "do not tell" in direction
            assert "nor that they are equal" in direction
        assert ("is more often" in texts(comparison, "sequence")) == (looks.e >= 20)
        assert looks.e < 20 or looks.n >= 7
        assert texts(comparison, "left out").count("1 run of") == (2 if paired == "some" or (paired == "none" and n == 1) else 0)
        assert ("not compared" in texts(comparison, "left out")) == (paired != "all")
        assert ("not measured" in texts(comparison, "noise floor", "")) == (n < 5 or diverged not in ("none", "first"))
        assert bool(texts(comparison, "noise floor")) == (pairs >= 5 and diverged == "none")
        if effect == "clear" and pairs >= 8 and diverged in ("none", "second"):
            assert (d.verdict, looks.state) == ("lower", "lower")
        json.dumps(comparison.json(), allow_nan=False)


def _is_plain(said: list[Sentence]) -> None:
    for sentence in said:
        text = sentence.text
        assert text.endswith(".")
        assert len(text) <= 190
        assert not re.search(r"\b(nan|inf|none|null)\b|[{}]|  |\.\.|-0\b(?!\.)|\b1 (runs|pairs)\b|significan", text, re.IGNORECASE), text
        assert sentence.topic in ("direction", "sequence") or not re.search(r"\bis (lower|higher) than\b|more often", text), text


def numbers(*values: float) -> Values:
    return {(seed, 0): value for seed, value in enumerate(values)}


TEXTS = {
    "one pair": (
        *(numbers(1.5), numbers(2.0)),
        "spam minus base, pair by pair: -0.5. One pair is too few for an interval; 4 more seeds would do.",
    ),
    "four, one of them diverged": (
        *(numbers(1.5, math.nan, 1.0, math.nan), numbers(2.0, 2.0, 3.0, math.nan)),
        "spam minus base, pair by pair: -0.5, -2; in 1 pair only spam diverged; in 1 pair both diverged. "
        "4 pairs are too few for a test; 4 more seeds would do.",
    ),
    "five": (
        *(numbers(1, 1, 1, 1, 1), numbers(2, 3, 4, 5, 6)),
        "spam minus base: mean -3 over 5 pairs, 90 % interval of the mean by flipping signs, if differences lie symmetrically around it: "
        "-5 to -1. "
        "From 5 pairs no direction can be told, as p cannot fall below 0.0625; 4 more seeds could tell one. "
        "The mean spam minus base lies outside the noise floor of a mean of 5 pairs, ±2.132.",
    ),
    "six": (
        *(numbers(1, 1, 1, 1, 1, 1), numbers(2, 3, 4, 5, 6, 7)),
        "spam minus base: mean -3.5 over 6 pairs, 90 % interval of the mean by flipping signs, if differences lie symmetrically around it: "
        "-5 to -2. "
        "spam is lower than base on average: p = 0.0312 by the sign-flip test over 6 pairs. "
        "The mean spam minus base lies outside the noise floor of a mean of 6 pairs, ±2.177.",
    ),
    "six equal ones": (
        *(numbers(1, 1, 1, 1, 1, 1), numbers(1, 1, 1, 1, 1, 1)),
        "spam minus base: 0 in all 6 pairs. These runs do not tell which of spam and base has the lower values, nor that they are equal: "
        "p = 1 by the sign-flip test over 6 pairs.",
    ),
    "seven, of which the baseline diverged in six": (
        *(numbers(1, 1, 1, 1, 1, 1, 1), numbers(*[math.nan] * 6, 2)),
        "spam was lower than base in 7 of 7 pairs, higher in 0, equal in 0; "
        "a diverged run counts as higher than any number, so there is no mean. "
        "spam is lower than base in more pairs than the other way round: p = 0.0156 by the sign test over 7 pairs.",
    ),
    "no pair": (numbers(), numbers(1.0), "spam and base share no seed and data order, so nothing can be compared pair by pair."),
}


@pytest.mark.parametrize("case", TEXTS)
def test_what_is_said_of_a_difference_word_by_word(case: str) -> None:
    first, second, expected = TEXTS[case]
    said = sentences(compare("loss", {"base": second, "spam": first}, "base"))
    topics = ("difference", "seeds", "direction", "noise floor")
    assert " ".join(s.text for s in said if s.arm == "spam" and s.topic in topics) == expected


def test_what_is_said_of_arms_and_of_the_sequence_word_by_word() -> None:
    first, second = numbers(*[1.0 + 0.1 * s for s in range(8)]), numbers(*[3.0 + 0.2 * s for s in range(7)], math.nan)
    said = [s.text for s in sentences(compare("loss", {"base": second, "spam": first | {(9, 0): None}}, "base"))]
    assert said[:5] == [
        "base: median loss 3.6, 90 % prediction interval of one more run, from 7 runs that did not diverge: 2.782 to 4.6.",
        "1 of 8 runs of base diverged; 95 % interval of the probability: 2 % to 47 %.",
        "spam: median loss 1.35, 90 % prediction interval of one more run, from 8 runs: 0.9169 to 1.93.",
        "0 of 8 runs of spam diverged; 95 % interval of the probability: 0 % to 32 %.",
        "1 run of spam has no value of loss and is left out.",
    ]
    assert said[-5:] == [
        "Seed by seed, decided after 7 pairs: spam is more often lower than higher compared with base (evidence 26.8, 20 needed).",
        "If nothing differed, at most 5 % of such series would ever decide.",
        "The median spam minus base lies between -2.6 and -2 (95 %, at every look).",
        "Intervals of a mean and p hold where the number of seeds was fixed beforehand; where seeds were added after a look, go by "
        "the sequence.",
        "Nothing corrects for having looked at several metrics, thresholds or baselines: of 20 such tests one tells a direction by chance.",
    ]
    ends = sentences(compare("loss", {"base": numbers(*[1, 2] * 16), "spam": numbers(*[2, 1] * 16)}, "base"))
    assert "Seed by seed, undecided at ±1 after 32 pairs, where the series ends (evidence 0.14, 20 needed)." in [s.text for s in ends]


def test_an_interval_that_ends_short_of_never_or_always_does_not_say_so() -> None:
    said = [s.text for k in (1, 299) for s in sentences(compare("loss", {"base": numbers(*[math.nan] * k, *range(300 - k))}, "base"))]
    assert "1 of 300 runs of base diverged; 95 % interval of the probability: 0.1 % to 2 %." in said
    assert "299 of 300 runs of base diverged; 95 % interval of the probability: 98 % to 99.9 %." in said


def test_several_arms_are_corrected_for_and_it_is_said() -> None:
    base = numbers(*[1.0 + 0.1 * s for s in range(8)])
    other = {key: value - 0.5 - 0.01 * key[0] for key, value in base.items() if value}
    said = " ".join(s.text for s in sentences(compare("loss", {"base": base, "spam": other, "sgd": other}, "base")))
    assert said.count("p = 0.0156 by the sign-flip test over 8 pairs, corrected for 2 comparisons.") == 2
    assert "at most 5 % of such sets of 2 series would ever decide" in said
    assert sentences(compare("loss", {"base": base}, "base"))[-1].topic == "diverged", "one arm alone has no comparison"


def test_too_few_pairs_for_so_many_arms_are_said_to_be_too_few() -> None:
    """Six pairs that all agree have p = 1/32, which the correction for two arms takes above 0.05: no outcome could have told anything."""
    base = numbers(*[2.0 + s for s in range(6)])
    other = numbers(*[1.0] * 6)
    two = compare("loss", {"base": base, "spam": other, "sgd": other}, "base")
    assert [d.verdict for d in two.differences] == ["undecided", "undecided"]
    assert (
        texts(two, "seeds") == "Corrected for 2 comparisons p cannot fall below 0.0625 from 6 pairs; 4 more seeds could tell a direction."
    )
    assert texts(compare("loss", {"base": base, "spam": other}, "base"), "seeds") == ""
    seven = {f"arm {n}": numbers(*[1.0] * 5) for n in range(30)}
    many = texts(compare("loss", {"base": numbers(*[2.0 + s for s in range(5)]), **seven}, "base"), "seeds", "arm 0")
    assert many == "From 5 pairs no direction can be told, as p cannot fall below 0.0625; 6 more seeds could tell one.", "30 · 2/2¹¹ < 0.05"
    _is_plain(sentences(two))


def test_where_more_is_better_a_diverged_run_counts_as_lower() -> None:
    comparison = compare("accuracy", {"base": numbers(*[0.5] * 7), "spam": numbers(*[math.nan] * 7)}, "base", better="higher")
    assert comparison.differences[0].verdict == "lower"
    assert "a diverged run counts as lower than any number" in texts(comparison, "difference")


def test_a_run_that_misses_a_threshold_is_not_called_diverged() -> None:
    steps = {"base": numbers(30, 40, math.nan, 50, 60, math.nan), "spam": numbers(20, math.nan, math.nan, 40, 50, 90)}
    said = " ".join(s.text for s in sentences(compare("steps to loss 2", steps, "base"), MISSED))
    assert "diverge" not in said
    assert "2 of 6 runs of base missed the threshold;" in said
    assert (
        "spam was lower than base in 4 of 6 pairs, higher in 1, equal in 1; a run that missed it counts as higher than any number" in said
    )
    assert "median steps to loss 2 45, range of 4 runs that reached it: 30 to 60." in said


def test_numbers_are_short_and_never_change_sides() -> None:
    assert [figure(v) for v in (0.001848, 12345.0, -2.5e6, 0.0, -0.0, 9999.0, 3e9)] == [
        "0.001848",
        "12.35 k",
        "-2.5 M",
        "0",
        "0",
        "9999",
        "3 G",
    ]
    assert [chance(p) for p in (0.03125, 0.0005, 0.04999, 0.05, 1.0)] == ["= 0.0312", "below 0.001", "just below 0.05", "= 0.05", "= 1"]
