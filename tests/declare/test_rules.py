"""Rules between knobs are told before a run is made: in the form, on the command line, and by the worker as a last resort."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.commands import labs as labs_command
from engine.core.catalog import Catalog
from engine.declare.resolve import KnobError, resolve
from engine.declare.rules import KINDS, AtMost, Divides, MultipleWith, OnlyWith, broken
from engine.labs.lab import Lab
from engine.server.service import Service
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import ENTRIES, button, fields
from tests.support.toy import refused

MOE = ENTRIES["moe"]


@given(st.integers(1, 500), st.integers(1, 5000))
def test_a_rule_speaks_when_and_only_when_it_is_broken(one: int, other: int) -> None:
    divides, at_most = Divides("a", "b", "because.").json(), AtMost("a", "b", "because.").json()
    assert bool(broken([divides], {"a": one, "b": other})) == (other % one != 0)
    assert bool(broken([at_most], {"a": one, "b": other})) == (one > other)
    multiple = MultipleWith("c", "b", "because.", values=("x", "y"), of=one).json()
    assert bool(broken([multiple], {"c": "y", "b": other})) == (other % one != 0)
    assert broken([multiple], {"c": "z", "b": other}) == []
    only = OnlyWith("a", "b", "because.", values=(1, 2), allowed=(3, 4)).json()
    assert bool(broken([only], {"a": one, "b": other})) == (one in (1, 2) and other not in (3, 4))
    assert broken([divides, at_most], {"a": 7, "c": 2}) == [], "a knob of an answer that is not chosen asks nothing"


def test_an_answer_that_goes_only_with_some_others_says_with_which() -> None:
    rule = OnlyWith("message", "layer", "because.", values=("far", "late"), allowed=("gcn",)).json()
    assert broken([rule], {"message": "near", "layer": "gin"}) == []
    assert broken([rule], {"message": "far", "layer": "gcn"}) == []
    (sentence,) = broken([rule], {"message": "late", "layer": "gin"})
    assert sentence == "message=late does not go with layer=gin: because. Give layer as gcn, or choose another message."
    assert KINDS["only with"].written(rule) == "`message=far or late` goes only with `layer=gcn`"


def test_a_broken_rule_says_what_was_received_and_what_is_allowed() -> None:
    with pytest.raises(KnobError, match=r"heads=3 does not divide d_model=64: .* Give heads as one of 1, 2, 4, 8, 16, 32, 64, or change"):
        resolve(MOE, "collapse", {"heads": "3"})
    with pytest.raises(KnobError, match=r"router\.k=9 is larger than experts=8: .* Give router\.k as 8 at most"):
        resolve(MOE, "collapse", {"experts": 8, "router.k": 9})
    assert resolve(MOE, "collapse", {"heads": "32"}).flat["heads"] == 32


@pytest.mark.parametrize("lab", ENTRIES)
def test_every_rule_names_knobs_of_its_lab_and_every_preset_keeps_it(lab: str) -> None:
    entry = ENTRIES[lab]
    known = {k["name"] for k in entry["knobs"]}
    known |= {f"{k['name']}.{inner['name']}" for k in entry["knobs"] for choice in k["choices"] for inner in choice.get("knobs", ())}
    assert {name for rule in entry["rules"] for name in rule["knobs"]} <= known
    for preset in entry["presets"]:
        resolve(entry, preset, {})


def test_the_worker_refuses_it_too() -> None:
    with pytest.raises(ValueError, match="heads=3 does not divide d_model=64"):
        Catalog("", Lab)["moe"].model_validate({"heads": 3})


def test_the_command_line_refuses_before_it_makes_a_run(engine: Any, toy_data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"labs": [MOE], "probes": [], "detectors": [], "errors": []}
    monkeypatch.setattr(labs_command, "labs_document", lambda *_, **__: document)
    refused(engine("run", "moe", "--preset", "collapse", "heads=3"), 2, "heads=3 does not divide d_model=64")
    assert not list(toy_data.glob("runs/*"))


def test_the_form_says_it_and_cannot_be_launched(lab_service: Service) -> None:
    test = opened("build.py", lab="moe", preset="collapse")
    fields(test)["heads"].set_value("3")
    test.run()
    assert "heads=3 does not divide d_model=64" in said(test)
    assert button(test, "Launch").disabled
    fields(test)["heads"].set_value("2")
    test.run()
    assert "does not divide" not in said(test)
    assert not button(test, "Launch").disabled
