"""The source files below a root, and what each imports, read from the syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PACKAGES = ("engine", "kernels", "pages")


def source_files(root: Path) -> list[Path]:
    """Every Python file of the packages and app.py, in order."""
    found = [file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))]
    return [*found, *(file for file in [root / "app.py"] if file.exists())]


def module_name(root: Path, file: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def once_a_writing(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """`read(file)`, kept until the file is written anew: a dozen rules ask for the same trees."""

    @cache
    def kept(file: Path, written: int, size: int) -> T:
        return read(file)

    def ask(file: Path) -> T:
        found = file.stat()
        return kept(file, found.st_mtime_ns, found.st_size)

    return ask


@once_a_writing
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


@dataclass(frozen=True)
class Arrow:
    """One import of ours by ours: `file` (relative to the root) and line, and the modules at both ends."""

    file: str
    line: int
    source: str
    target: str


def arrows(root: Path) -> list[Arrow]:
    """Every import between our files: at the top, inside a function, and under TYPE_CHECKING, which all count alike."""
    modules = {module_name(root, file): file for file in source_files(root)}
    found = []
    for source, file in modules.items():
        for name, line in _imported(file, source):
            target = name
            while target and target not in modules:
                target = target.rpartition(".")[0]
            if target:
                found.append(Arrow(file.relative_to(root).as_posix(), line, source, target))
    return found


@once_a_writing
def _imports(file: Path) -> list[tuple[int, str, str, int]]:
    """(dots of a relative import, package, name, line) of every import of a file."""
    found = []
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found += [(0, alias.name, "", node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.level, node.module or "", alias.name, node.lineno) for alias in node.names]
    return found


def _imported(file: Path, module: str) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of every import of a file that is the module `module`."""
    parts = module.split(".")
    for dots, package, name, line in _imports(file):
        up = dots - (file.name == "__init__.py")
        above = parts[: len(parts) - up] if dots else []
        yield ".".join(part for part in (*above, package, name) if part), line


def room(module: str) -> str:
    """The room of a module: "core", "labs", …; "engine" for engine/__init__ and engine/__main__; else the package."""
    parts = module.split(".")
    if parts[0] != "engine":
        return parts[0]
    return "engine" if len(parts) == 1 or parts[1] == "__main__" else parts[1]


def topic(module: str, folders: frozenset[str]) -> str:
    """Where in the labs a module stands: a topic, "common" or "door" (with the question of every lab); "" outside."""
    parts = module.split(".")
    if parts[:2] != ["engine", "labs"]:
        return ""
    return parts[2] if len(parts) > 2 and parts[2] in folders else "door"


def topic_folders(root: Path) -> frozenset[str]:
    """The folders of engine/labs/ but optimizer/, which stands at the door."""
    labs = root / "engine" / "labs"
    return frozenset(f.name for f in labs.iterdir() if f.is_dir() and f.name[0].isalpha() and f.name != "optimizer")
