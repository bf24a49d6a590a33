"""Editions: read from a lab's file without importing it, written into every declaration, and told where they differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.catalog import Catalog
from engine.declare.editions import Edition, difference, sentence, today
from engine.declare.resolve import resolve
from engine.labs.describe import entry
from engine.labs.lab import Lab
from engine.scheduler.submit import submit
from tests.support.toy import TOY

LABS = Catalog("", Lab).load()[0]


@pytest.mark.parametrize("name", LABS)
def test_what_is_read_from_the_file_is_what_the_class_says(name: str) -> None:
    lab = LABS[name]
    assert today(name) == Edition(lab.edition, lab.editions, lab.concerns)
    assert sorted(lab.editions) == list(range(2, lab.edition + 1)), "every raise says what it changed"
    assert all(message and not message.endswith(".") and "\n" not in message for message in lab.editions.values())
    told = entry(name, lab)
    assert (told["edition"], told["editions"]) == (lab.edition, {str(number): message for number, message in lab.editions.items()})


@pytest.mark.parametrize("name", LABS)
def test_what_a_raise_concerns_are_answers_and_options_of_the_lab(name: str) -> None:
    lab, knobs = LABS[name], {knob["name"]: {choice["name"] for choice in knob["choices"]} for knob in entry(name, LABS[name])["knobs"]}
    assert lab.concerns.keys() <= lab.editions.keys()
    for answers in lab.concerns.values():
        for knob, wanted in answers.items():
            assert ({wanted} if isinstance(wanted, str) else set(wanted)) <= knobs[knob]


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder of labs with one lab of the third edition and one that does not parse."""
    topic = tmp_path / "engine" / "labs" / "topic"
    topic.mkdir(parents=True)
    changes = '{2: "gates start at one", 3: "the noise is " "drawn per picture"}'
    lines = ["raise SystemExit('imported')", "class Third(Lab):", "    edition: ClassVar[int] = 3", f"    editions = {changes}"]
    (topic / "third.py").write_text("\n".join(lines))
    (topic / "broken.py").write_text("class Broken(")
    return topic.parent


def test_a_run_of_an_older_edition_is_told_every_change_since(planted: Path) -> None:
    assert today("third", planted) == Edition(3, {2: "gates start at one", 3: "the noise is drawn per picture"})
    assert difference({"lab": "third"}, planted) == (
        "made with edition 1 of the lab third; today's is 3 (edition 2: gates start at one; edition 3: the noise is drawn per picture)"
    )
    assert "gates" not in difference({"lab": "third", "edition": 2}, planted)
    assert "by a newer Faultline; this one has edition 3" in difference({"lab": "third", "edition": 4}, planted)


@pytest.mark.parametrize(
    "spec", [{"lab": "third", "edition": 3}, {"lab": "broken"}, {"lab": "gone"}, {"lab": "third", "edition": None}, {}]
)
def test_nothing_is_said_of_the_same_edition_and_of_what_nobody_knows(planted: Path, spec: dict) -> None:
    assert difference(spec, planted) == ""
    assert sentence(spec) == ""


@pytest.mark.parametrize(
    ("knobs", "concerned"),
    [
        ({"gate": {"is": "soft", "k": 1}, "data": "ring"}, [2, 3]),
        ({"gate": {"is": "softer"}, "data": "digits"}, [2, 3, 4]),
        ({"gate": {"is": "hard"}, "data": "digits"}, [3]),
        ({"data": "digits"}, [2, 3, 4]),  # it does not say its gate: nobody knows
        (None, [2, 3, 4]),
    ],
)
def test_a_raise_that_names_answers_concerns_the_runs_that_give_them(tmp_path: Path, knobs: object, concerned: list[int]) -> None:
    changes = {2: "two", 3: "three", 4: "four"}
    edition = Edition(4, changes, {2: {"gate": ["soft", "softer"]}, 4: {"gate": "softer", "data": "digits"}})
    assert edition.concerning({"knobs": knobs}, 1) == concerned
    topic = tmp_path / "engine" / "labs" / "topic"
    topic.mkdir(parents=True)
    (topic / "narrow.py").write_text("class Narrow(Lab):\n    edition = 2\n    editions = {2: 'x'}\n    concerns = {2: {'gate': 'soft'}}\n")
    assert difference({"lab": "narrow", "knobs": {"gate": {"is": "hard"}}}, topic.parent) == ""
    assert "(edition 2: x)" in difference({"lab": "narrow", "knobs": {"gate": {"is": "soft"}}}, topic.parent)


def test_a_declaration_carries_the_edition_of_its_lab(tmp_path: Path) -> None:
    assert submit(tmp_path, resolve({**TOY, "edition": 4}, None, {})).spec()["edition"] == 4
