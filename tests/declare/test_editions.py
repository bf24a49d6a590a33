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
    assert today(name) == Edition(lab.edition, lab.editions)
    assert sorted(lab.editions) == list(range(2, lab.edition + 1)), "every raise says what it changed"
    assert all(message and not message.endswith(".") and "\n" not in message for message in lab.editions.values())
    told = entry(name, lab)
    assert (told["edition"], told["editions"]) == (lab.edition, {str(number): message for number, message in lab.editions.items()})


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


def test_a_declaration_carries_the_edition_of_its_lab(tmp_path: Path) -> None:
    assert submit(tmp_path, resolve({**TOY, "edition": 4}, None, {})).spec()["edition"] == 4
