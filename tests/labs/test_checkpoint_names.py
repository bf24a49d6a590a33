"""Checkpoints of released versions load: the names in every lab's state dict stay as they were recorded.

A parameter is also initialised from (seed, its name), so another name is another curve: no attribute of a module is renamed.
`python -m tests.labs.test_checkpoint_names` records labs and answers that are new; it changes nothing that is recorded.
A lab whose network is meant to change raises its `edition`, and then its entry is taken out of the file by hand and recorded again.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.labs.describe import entry
from engine.labs.lab import Lab
from tests.support.stored_sets import write_text_set

RECORDED = ROOT / "tests" / "support" / "checkpoint_names.json"
LABS = {name: lab for name, lab in Catalog("", Lab).load()[0].items() if "play" not in lab.provides}  # which has no module
SILENT = ("optimizer",)  # questions that build no part of the network


def cases(name: str) -> dict[str, dict[str, Any]]:
    """What is recorded of a lab: its default knobs, and each other answer of each question that may decide the network."""
    questions = [knob for knob in entry(name, LABS[name])["knobs"] if knob["kind"] == "question" and knob["name"] not in SILENT]
    answers = [(q["name"], choice["name"]) for q in questions for choice in q["choices"] if choice["name"] != q["default"]]
    return {"default": {}, **{f"{question}={answer}": {question: {"is": answer}} for question, answer in answers}}


def keys(name: str, knobs: dict[str, Any]) -> list[str] | None:
    """The names in the state dict, in their order; None for knobs that the lab's own rules refuse."""
    try:
        lab = LABS[name].model_validate({"device": "cpu", **knobs})
    except ValueError:
        return None
    return list(lab.model().state_dict())


def names(name: str) -> dict[str, Any]:
    """As in the file: all names of the default, and of each other answer what it takes away from them and what it adds, if anything."""
    out: dict[str, Any] = {"default": keys(name, {})}
    for case, knobs in cases(name).items():
        found = keys(name, knobs)
        if case != "default" and found is not None:
            gone, new = sorted({*out["default"]} - {*found}), sorted({*found} - {*out["default"]})
            out[case] = {key: value for key, value in (("without", gone), ("with", new)) if value}
    return out


def recorded() -> dict[str, dict[str, Any]]:
    return json.loads(RECORDED.read_text()) if RECORDED.exists() else {}


@pytest.mark.usefixtures("stored_set")
@pytest.mark.parametrize("name", LABS)
def test_the_names_in_a_checkpoint_are_those_that_were_recorded(name: str) -> None:
    then, now = recorded().get(name, {}), names(name)
    missing = sorted(now.keys() - then.keys())
    assert not missing, f"{missing} of {name} are not recorded yet: python -m tests.labs.test_checkpoint_names"
    assert {case: now.get(case) for case in then} == then


def test_no_recorded_lab_has_gone() -> None:
    assert recorded().keys() <= LABS.keys()


if __name__ == "__main__":
    together = recorded()
    with tempfile.TemporaryDirectory() as data:
        os.environ["FAULTLINE_DATA"] = data
        write_text_set(Path(data) / "sets" / "MUTAG")
        for lab in LABS:
            together[lab] = {**names(lab), **together.get(lab, {})}
    RECORDED.write_text(json.dumps(together, indent=1) + "\n")
