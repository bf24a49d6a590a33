"""What a knob accepts is said in one way: in a message, in the tooltip of its field, on the command line and in the reference."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.commands import labs as labs_command
from engine.declare.bounds import allowed, closed, inside
from engine.declare.resolve import KnobError, typed
from engine.declare.revise import described
from engine.docs.reference import _knob_rows
from pages.parts.knobs.field import hint, label
from tests.support.lab_pages import ENTRIES


def spec(kind: str, low: float | None = None, high: float | None = None, **more: Any) -> dict[str, Any]:
    blank = {"name": "it", "default": 1, "choices": [], "unit": "", "source": "", "about": "what it is"}
    return {"kind": kind, "min": low, "max": high, **blank, **more}


@pytest.mark.parametrize(
    ("knob", "words"),
    [
        (spec("int", 1, 9, unit="steps"), "a whole number from 1 to 9 (steps)"),
        (spec("float", 0, 1e-5), "a number from 0 to 1e-05"),
        (spec("float", 0.5), "a number of at least 0.5"),
        (spec("int", None, 3), "a whole number of at most 3"),
        (spec("float"), "a number"),
        (spec("bool"), "true or false"),
        (spec("str"), "text"),
        (spec("option", choices=[{"name": "fp32"}, {"name": "bf16"}]), "one of fp32, bf16"),
    ],
)
def test_bounds_are_said_in_words(knob: dict[str, Any], words: str) -> None:
    assert allowed(knob) == words


def test_ends_are_inside_and_only_two_ends_are_closed() -> None:
    assert [inside(spec("int", 1, 9), n) for n in (0, 1, 9, 10)] == [False, True, True, False]
    assert inside(spec("float", None, 3), -1e300)
    assert [closed(spec("int", 1, 9)), closed(spec("int", 1)), closed(spec("str"))] == [True, False, False]


@pytest.mark.parametrize("lab", ENTRIES)
def test_message_tooltip_listing_and_reference_use_the_same_words(lab: str) -> None:
    for name, one in applying(ENTRIES[lab]).items():
        words = allowed(one)
        if one["kind"] != "str":  # any text is text
            with pytest.raises(KnobError) as caught:
                typed(one, name, "so many")
            assert str(caught.value).lower().endswith(f"give {words.lower()}.")
        if one["kind"] in ("int", "float"):
            assert (hint(one) or "").startswith(words[0].upper() + words[1:])
        if one["kind"] != "question":  # its answers stand below it, each in a line
            assert f", {words}  " in next(labs_command._knob(one, name))
        assert next(_knob_rows([one]))[2] == words


def applying(lab: dict[str, Any]) -> dict[str, Any]:
    """Flat name -> description of every knob of the lab, those of every answer among them."""
    out = described(lab, {})
    for one in lab["knobs"]:
        for choice in one["choices"] if one["kind"] == "question" else ():
            out |= described(lab, {one["name"]: choice["name"]})
    return out


@pytest.mark.parametrize("lab", ENTRIES)
def test_every_bound_is_printed_to_its_last_digit(lab: str) -> None:
    for name, one in applying(ENTRIES[lab]).items():
        if one["kind"] in ("int", "float"):
            printed = re.findall(r"(?:from|to|least|most) (\S+)", allowed(one))
            assert [float(end) for end in printed] == [end for end in (one["min"], one["max"]) if end is not None], name


def test_a_label_says_its_unit_once() -> None:
    assert label(spec("int", unit="s"), "it") == "it: what it is (s)", "a letter within a word says nothing"
    assert label(spec("int", unit="bytes"), "it") == "it: what it is (bytes)"
    assert label(spec("int", unit="it"), "a.it") == "a.it: what it is"
    assert label(spec("float", unit="%", about="share in %"), "it") == "it: share in %", "a sign is a word too"
