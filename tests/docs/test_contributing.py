"""CONTRIBUTING's two trips are those of the code: every file exists, and imports or names the next one."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from engine.core.paths import ROOT

MOST = 21  # files of one trip; a longer one means that the house has grown a detour
TRIPS = re.findall(r"^\*From (.+?)\*.*?\n\n((?:\d+\. .+\n)+)", (ROOT / "CONTRIBUTING.md").read_text(), re.M)


def files_of(steps: str) -> list[str]:
    return re.findall(r"^\d+\. `([^`]+)`", steps, re.M)


def imported(file: Path) -> set[str]:
    """The files that a Python file imports, relative to the root."""
    out = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = name.replace(".", "/")
            out |= {f"{path}.py", f"{path}/__init__.py"}
    return out


def leads(file: str, there: str) -> bool:
    """Whether `here` imports `there`, or names it: by its path, by its module, or by its file's name in a neighbouring folder."""
    text = (ROOT / file).read_text()
    if file.endswith(".py") and there in imported(ROOT / file):
        return True
    module = there.removesuffix(".py").replace("/", ".")
    near = Path(there).is_relative_to(Path(file).parent) or Path(there).parent.parent == Path(file).parent.parent
    return there in text or f'"{module}"' in text or (near and re.search(rf"(?<!\w){re.escape(Path(there).name)}", text) is not None)


def test_both_trips_stand_there() -> None:
    assert [name for name, _ in TRIPS] == ["form to tensor", "tensor to pixel"]


@pytest.mark.parametrize(("name", "steps"), TRIPS)
def test_each_file_of_a_trip_leads_to_the_next(name: str, steps: str) -> None:
    files = files_of(steps)
    assert len(files) == len(steps.splitlines()) <= MOST
    assert len(set(files)) == len(files)
    assert [file for file in files if not (ROOT / file).is_file()] == []
    broken = [f"{file} neither imports nor names {there}" for file, there in pairwise(files) if not leads(file, there)]
    assert broken == []


def test_a_file_that_is_left_out_breaks_a_trip() -> None:
    """The check can fail: without their middle, neighbours do not lead to each other."""
    files = files_of(TRIPS[0][1])
    skipping = [leads(file, there) for file, there in zip(files, files[2:], strict=False)]
    assert sum(skipping) < len(skipping) / 2


def test_the_paragraph_on_checkpoints_names_every_file_that_says_what_one_holds() -> None:
    paragraph = next(part for part in (ROOT / "CONTRIBUTING.md").read_text().split("\n\n") if part.startswith("**A checkpoint**"))
    holds = [file for file in (ROOT / "engine" / "worker").glob("*.py") if '"generators": ' in file.read_text()]
    assert len(holds) >= 3
    assert [file.name for file in holds if f"`engine/worker/{file.name}`" not in paragraph] == []
    named = re.findall(r"`((?:engine|tests)/[\w/]+\.py)`", paragraph)
    assert [name for name in named if not (ROOT / name).is_file()] == []
