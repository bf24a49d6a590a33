"""What the README says is so: its notebook line runs, and whoever follows it finds a file in three steps."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.core.paths import ROOT
from tests.support.made_runs import finished_run

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("before", ["", "import engine.index.open_run"])
def test_the_notebook_line_gives_every_point_also_the_second_time(before: str, tmp_path: Path) -> None:
    made = finished_run(tmp_path, steps=30)
    line = re.search(r"`(import engine; engine\.open_run\(.*?\))`", README)
    assert line
    asking = line[1].replace("data/runs/<id>", str(made.folder.path)).removeprefix("import engine; ")
    answer = "print(type(frame).__module__, len(frame), 'loss/train' in set(frame['metric']))"
    program = "\n".join([before, "import engine", asking, f"frame = {asking}", answer])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kind, height, holds = done.stdout.split()
    assert kind.startswith("polars")
    assert int(height) > 30
    assert holds == "True"


def in_the_tree(phrase: str) -> Path:
    """The folder of engine/ whose line in the README's tree holds the phrase."""
    line = re.search(rf"^  (\w+)/ +.*{phrase}", README, re.M)
    assert line, f"no line of the tree says {phrase!r}"
    return ROOT / "engine" / line[1]


def in_the_table(what: str) -> tuple[Path, Path]:
    """-> (the folder of the row that adds `what`, up to its first placeholder; the file to copy)."""
    row = re.search(rf"^\| {re.escape(what)}[^|]*\| `([^`]+)`[^|]*\| `([^`]+)`", README, re.M)
    assert row, f"no row adds {what!r}"
    return ROOT / row[1].split("<")[0], ROOT / row[2]


def door(room: Path, word: str) -> str:
    """What the nomenclature at a room's door says of a word."""
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    line = re.search(rf"^{word} {{2,}}(.+)", text, re.M)
    assert line, f"{room.name} does not explain {word!r}"
    return line[1]


def classes(file: Path) -> dict[str, list[str]]:
    """Every class of a file with the names of its bases."""
    return {
        node.name: [ast.unparse(base) for base in node.bases]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    }


@pytest.mark.parametrize(
    ("what", "word", "folder", "base"),
    [("a probe", "probe", "probes/", "Probe"), ("an answer of a question", "remedy", "remedies/<question>/", "RouterChoice")],
)
def test_from_readme_through_the_door_to_a_file_to_copy(what: str, word: str, folder: str, base: str) -> None:
    room, copied = in_the_table(what)
    assert folder in door(room, word)
    assert folder.split("<")[0].strip("/") in copied.relative_to(room).parts
    assert any(base in bases for bases in classes(copied).values())


def test_from_readme_through_the_door_to_how_a_frame_is_read() -> None:
    room = in_the_tree("append-only log")
    named = re.search(r"(\w+\.py) reads", door(room, "frame"))
    assert named
    tree = ast.parse((room / named[1]).read_text())
    assert any(isinstance(node, ast.FunctionDef) and node.name == "_decode" for node in ast.walk(tree))


def test_every_folder_of_the_tree_and_every_path_of_the_table_exists() -> None:
    tree = README.split("## Where everything lives")[1].split("```")[1]
    folder = ROOT
    for line in filter(str.strip, tree.splitlines()):
        indent, names = len(line) - len(line.lstrip()), re.findall(r"(?<!\S)([\w.]+(?:/|\.py))(?=\s|$)", line)
        above = ROOT if indent == 0 else folder
        assert all(any(above.rglob(name)) for name in names), f"{line!r} names what is nowhere"
        folder = ROOT / names[0] if indent == 0 else folder
    for copied, test in re.findall(r"^\| an? .*?\| `([^`]+)` \| `([^`]+)` \|$", README, re.M):
        assert (ROOT / copied).exists(), copied
        assert (ROOT / test).is_file(), test
