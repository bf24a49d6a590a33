"""Every remedy names the equation or the file that its formula is read from, and says where it does something else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.labs.describe import entry
from engine.labs.lab import Lab

LABS = Catalog("", Lab).load()[0]
QUESTIONS = [knob for name, lab in LABS.items() for knob in entry(name, lab)["knobs"] if knob["kind"] == "question"]
ANSWERS = {f"{question['name']}={answer['name']}": answer for question in QUESTIONS for answer in question["choices"]}
FOLDERS = [*(ROOT / "engine" / "labs").glob("*/remedies/*"), ROOT / "engine" / "labs" / "optimizer"]
FILES = sorted(file for folder in FOLDERS if folder.is_dir() for file in folder.glob("*.py") if not file.name.startswith("__"))
PLACE = (
    r"\beq\. \d|\balgorithm \d|\bsections? \d|\bappendix [A-Z]|\btheorem \d"
    r"|\btable \d|\bfigure \d|definition|iteration of|layer of|\w+\.py\b"
)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_remedy_names_the_equation_or_the_file(name: str) -> None:
    assert re.search(PLACE, ANSWERS[name]["source"], re.IGNORECASE), ANSWERS[name]["source"]
    if "code" in ANSWERS[name]["reading"]:
        assert re.search(r"[\w-]+/[\w-]+", ANSWERS[name]["source"]), "a repository"


def test_what_is_only_our_reading_says_why_and_the_list_of_it_only_shrinks() -> None:
    ours = {name for name, answer in ANSWERS.items() if answer["reading"] == "our reading of the abstract"}
    assert ours <= {
        "backbone=unet",
        "residual_scaling=decreasing",
        "router=graph_of_tokens",
        "router=mixture_of_routers",
        "router=reinforce",
    }
    assert {name for name in ours if not ANSWERS[name]["why"]} == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT / "engine" / "labs")))
def test_what_differs_is_said_where_a_person_sees_it(file: Path) -> None:
    """A difference that stands anywhere else in the file than in the answer's docstring would not be on its card."""
    text = file.read_text("utf-8")
    shown = ANSWERS.get(f"{file.parent.name}={file.stem}", {"differs": "", "why": ""})
    for word in ("Differs", "Why"):
        assert text.count(f"{word}:") == bool(shown[word.lower()]), f"{file}: a paragraph of the answer's docstring begins with {word}:"
