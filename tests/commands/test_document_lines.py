"""A run as text for people: which rule made an event is said."""

from __future__ import annotations

from engine.commands._document import lines
from engine.labs.common.charts.event_lane import lane
from engine.runs.event import Event

RUN = {"run": "a", "lab": "consistency", "preset": "", "status": "diverged", "steps": 300, "says": "", "parent": None}


def test_two_rules_of_one_kind_are_told_apart() -> None:
    """`divergence` is the kind of two rules: the text and the lane name the rule, not the kind."""
    events = [
        Event(73, "divergence", "divergence", message="loss/train has stood above 9.").json(),
        Event(127, "divergence", "tangent_level", message="tangent/derivative has stood above 5.").json(),
        Event(128, "image", "samples").json(),
        Event(200, "checkpoint", message="Written.").json(),
    ]
    text = list(lines({**RUN, "knobs": {}, "events": events, "metrics": {}}))
    assert [line.strip() for line in text if "step" in line][-4:] == [
        "step 73: divergence loss/train has stood above 9.",
        "step 127: divergence (tangent_level) tangent/derivative has stood above 5.",
        "step 128: image samples",
        "step 200: checkpoint Written.",
    ]
    assert [lane(event) for event in events] == ["divergence", "tangent level", "samples", "checkpoint"]
