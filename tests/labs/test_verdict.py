"""The verdict says what the data say and nothing before: status × events × readings × measured range, for every deciding number."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.labs.describe import expand_presets
from engine.labs.lab import Lab
from engine.labs.verdict import Point, Readings, Sentence, first_crossing, verdict
from engine.runs.ending import ENDED

DEAD = {"metric": "router/dead_experts@blocks.1.moe", "chart": "dead_experts", "direction": "up", "says": "{value} experts are idle"}
SHARE = {**DEAD, "metric": "accuracy/train", "direction": "down", "says": "a share of {value} is right"}
SPIKE = {"step": 157, "kind": "spike", "rule": "loss_spike", "says": "The loss jumps to 40."}
GONE = {"step": 169, "kind": "divergence", "rule": "divergence", "says": "grad_norm has stood above 3 for 50 steps."}
SAVED = {"step": 99, "kind": "checkpoint", "rule": "", "says": "Saved after 100 steps."}
EVENTS = {"none": [], "one": [SPIKE], "two": [GONE, SAVED, SPIKE]}
POINTS = {
    "none": [],
    "finite": [Point(0, 3.0), Point(100, 5.0), Point(299, 4.0)],
    "crossing": [Point(0, 3.0), Point(145, 9.0), Point(299, 26.0)],
    "non-finite": [Point(0, 3.0), Point(120, math.nan), Point(299, math.inf)],
}
BANDS: dict[str, Any] = {
    "none": None,
    "around": {"n": 8, "of": 8, "median": 26.5, "low": 4.0, "high": 30.0},
    "elsewhere": {"n": 8, "of": 8, "median": 60.0, "low": 50.0, "high": 70.0},
    "never finite": {"n": 0, "of": 8, "median": None, "low": None, "high": None},
}
STATUS = ("queued", "running", "held", *sorted(ENDED))


def lines(sentences: Any) -> list[str]:
    return [f"{s.step} {s.source}: {s.text}" for s in sentences]


@pytest.mark.parametrize(("status", "events", "points", "band"), list(itertools.product(STATUS, EVENTS, POINTS, BANDS)))
def test_every_sentence_has_a_source_in_the_data(status: str, events: str, points: str, band: str) -> None:
    found = verdict(Readings(status, EVENTS[events], POINTS[points]), DEAD, 8.0, BANDS[band])
    by_source = {source: [s for s in found.sentences if s.source == source] for source in ("event", "crossing", "end")}
    assert [s.step for s in by_source["event"]] == {"none": [], "one": [157], "two": [157, 169]}[events]
    assert [s.step for s in by_source["crossing"]] == {"none": [], "finite": [], "crossing": [145], "non-finite": [120]}[points]
    assert len(by_source["end"]) == (status in ENDED), "the end is spoken of at the end"
    steps = [s.step for s in found.sentences if s.source != "end"]
    assert steps == sorted(steps)
    assert all("{" not in s.text and s.text.endswith(".") for s in found.sentences)
    placed = found.end.inside if found.end else None
    compared = status in ("finished", "diverged") and points != "none" and band in ("around", "elsewhere")
    expected = band == "around" and points in ("finite", "crossing")
    assert placed is (expected if compared else None)
    if compared:
        words = "inside 4 to 30" if expected else f"outside {'50 to 70' if band == 'elsewhere' else '4 to 30'}"
        assert words in by_source["end"][0].text
        assert "n = 8" in by_source["end"][0].text


@pytest.mark.parametrize("lab", sorted(Catalog("", Lab).names()))
def test_the_message_of_every_preset_makes_a_sentence(lab: str) -> None:
    for name, preset in expand_presets(Catalog("", Lab)[lab]).items():
        decides, level = preset["decides"], preset["breaks_at"]
        if decides is None:
            continue
        assert decides["says"].count("{value}") == 1, name
        assert not re.search(r"[.!?]$|^[A-Z]", decides["says"]), f"{name}: it stands inside a sentence"
        value = 2 * level if level else 0.5
        found = verdict(Readings("finished", (), [Point(0, 0.0), Point(9, value)]), decides, level, None)
        assert [s.source for s in found.sentences] == (["crossing", "end"] if level else ["end"])


def test_the_lead_time_is_the_difference_of_two_recorded_steps() -> None:
    found = verdict(Readings("running", EVENTS["two"], POINTS["crossing"][:2]), DEAD, 8.0, None)
    assert lines(found.sentences) == [
        "145 crossing: 9 experts are idle: above 8, where its preset counts as broken. 12 steps later the rule loss spike fired.",
        "157 event: The loss jumps to 40. 12 steps later the rule divergence fired.",
        "169 event: grad_norm has stood above 3 for 50 steps.",
    ]
    assert found.pointer == 145


def test_a_number_that_breaks_downwards_crosses_from_above() -> None:
    points = [Point(0, 0.9), Point(10, 0.6), Point(20, 0.4), Point(30, 0.9)]
    found = verdict(Readings("running", (), points), SHARE, 0.5, None)
    assert lines(found.sentences) == ["20 crossing: A share of 0.400 is right: below 0.5, where its preset counts as broken."]
    found = verdict(Readings("running", (), points[2:]), SHARE, 0.5, None)
    assert "below 0.5 from its first reading on" in found.sentences[0].text


def test_a_rule_that_fires_again_is_one_sentence() -> None:
    events = [{**SPIKE, "step": step} for step in (150, 170, 190)]
    found = verdict(Readings("running", events), DEAD, 8.0, None)
    assert found.sentences == (Sentence(150, "The loss jumps to 40. It came 2 more times, last at step 190.", "event"),)


def test_a_number_that_is_not_finite_is_said_once() -> None:
    odd = {"step": 120, "kind": "nonfinite", "rule": "nonfinite", "says": "loss/train is NaN from step 120 on."}
    found = verdict(Readings("running", [odd], POINTS["non-finite"]), DEAD, 8.0, None)
    assert [s.source for s in found.sentences] == ["event"]
    end = verdict(Readings("diverged", [odd], POINTS["non-finite"]), DEAD, 8.0, BANDS["around"])
    assert "Infinity experts are idle" in end.sentences[-1].text
    assert end.end is not None
    assert end.end.inside is False


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ({"changed": ["lr"]}, "nothing was measured with its 1 changed knob"),
        ({"changed": ["lr", "steps"]}, "nothing was measured with its 2 changed knobs"),
        ({"preset": False}, "it has no preset"),
        ({"status": "stopped"}, "the run ended early (stopped)"),
        ({"status": "killed"}, "the run ended early (killed)"),
    ],
)
def test_a_run_that_is_no_draw_of_its_preset_is_not_compared(readings: dict[str, Any], words: str) -> None:
    found = verdict(Readings(**{"status": "finished", "points": POINTS["crossing"], **readings}), DEAD, 8.0, BANDS["around"])
    assert words in found.sentences[-1].text
    assert found.end is not None
    assert found.end.inside is None


def test_a_range_of_one_value_is_said_as_such() -> None:
    band = {"n": 8, "of": 8, "median": 0.0, "low": 0.0, "high": 0.0}
    for last, words in ((0.0, "as in all 8 measured runs, which end at 0."), (2.0, "unlike in all 8 measured runs, which end at 0.")):
        found = verdict(Readings("finished", (), [Point(0, 7.0), Point(299, last)]), DEAD, 8.0, band)
        assert found.sentences[-1].text.endswith(words)


def test_nothing_is_said_of_the_end_before_the_index_has_everything() -> None:
    found = verdict(Readings("finished", (), POINTS["finite"], complete=False), DEAD, 8.0, BANDS["around"])
    assert found.sentences == ()
    assert found.end is None


def test_a_run_without_a_deciding_number_has_its_events() -> None:
    found = verdict(Readings("finished", EVENTS["one"], ()), None, None, None)
    assert [s.source for s in found.sentences] == ["event"]


def test_a_thinned_series_says_between_which_steps_to_read_it_exactly() -> None:
    points = [Point(step, value) for step, value in ((0, 1.0), (5, 2.0), (11, 3.0), (12, 12.0), (20, 1.0))]
    assert first_crossing(points, 8.0, "up") == (0, 12)
    assert first_crossing(points, 20.0, "up") is None
