"""Names that say who speaks and not what a value is: no parameter, attribute, function or class bears one.  Local names are free."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.walls.tree import parsed, source_files

# What to call it instead: `document`, `record`, `summary`, `message` for what was told; `wanted`, `pending`, `stop_requested` for
# what was asked; `matches`, `marks`, `readings` for what was found; `style`, `scan`, `advance` for a look; `order`, `path` for a place.
BANNED = frozenset({"told", "asked", "found", "look", "place", "here", "says", "zygote", "yardstick"})


def speaking_names(root: Path) -> Iterator[str]:
    """Every parameter, attribute, function and class of our code whose name, leading underscores aside, is one of BANNED."""
    for file in (*source_files(root), *sorted((root / "tests").rglob("*.py"))):
        if "old_run" in file.parts or "__pycache__" in file.parts:
            continue
        for node in ast.walk(parsed(file)):
            for name in _names(node):
                if name.lstrip("_").lower() in BANNED:
                    yield f"{file.relative_to(root).as_posix()}: speaking name, {name!r} (line {node.lineno}); say what it is"


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Attribute):
        yield node.attr
    if isinstance(node, ast.ClassDef):  # fields, declared where they are written
        for line in node.body:
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                yield line.target.id
            elif isinstance(line, ast.Assign):
                yield from (target.id for target in line.targets if isinstance(target, ast.Name))
