"""What a file may be: short, in a room, the only bearer of its name, a docstring where it opens a folder, with no long text in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.walls.tree import once_a_writing, parsed, source_files

LINES, CHARACTERS = 300, 200
CATALOGS = ("", "probes", "charts", "schematics", "panels", "detectors")  # folders of a topic whose files are entries; "" holds the labs
STARTED = "engine/core/started.py"
ADDRESS = re.compile(r"\bengine(\.[a-z_]+)+\b|\bengine/[a-z_]+")
SQL = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE|CREATE|COPY)\b")


def flat_modules(root: Path) -> Iterator[str]:
    for file in sorted((root / "engine").glob("*.py")):
        if file.name not in ("__init__.py", "__main__.py"):
            yield f"engine/{file.name}: flat module, every file of engine/ lies in a room"


def long_files(root: Path) -> Iterator[str]:
    kinds = {".py", ".js", ".css", ".cu"}
    for top in (*(root / name for name in ("engine", "kernels", "pages", "tests")), root / "app.py"):
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if file.suffix in kinds and "__pycache__" not in file.parts:
                lines = len(file.read_text(encoding="utf-8").splitlines())
                if lines > LINES:
                    yield f"{file.relative_to(root).as_posix()}: file too long, {lines} lines; split what is over {LINES}"


def same_names(root: Path) -> Iterator[str]:
    """Entries of one kind that two topics call alike."""
    labs = root / "engine" / "labs"
    for kind in CATALOGS:
        seen: dict[str, str] = {}
        for file in sorted(labs.glob(f"*/{kind}/*.py" if kind else "*/*.py")):
            if file.name.startswith("_") or (not kind and file.parent.name in ("common", "optimizer")):
                continue
            here = file.relative_to(root).as_posix()
            if file.stem in seen:
                yield f"{here}: name twice, {seen[file.stem]} bears it too"
            seen.setdefault(file.stem, here)


def doors_with_code(root: Path) -> Iterator[str]:
    """`__init__.py` files that hold more than a docstring; a question's base class and engine/__init__ (open_run) may."""
    for file in source_files(root):
        parts = file.relative_to(root).parts
        question = parts[:3] == ("engine", "labs", "optimizer") or "remedies" in parts[:-2]
        if file.name == "__init__.py" and parts != ("engine", "__init__.py") and not question:
            body = parsed(file).body
            if not body or len(body) > 1 or ast.get_docstring(parsed(file)) is None:
                yield f"{'/'.join(parts)}: door with code, an __init__.py is a docstring and nothing else"


def module_strings(root: Path) -> Iterator[str]:
    """Addresses of modules or files of the engine in a string that is no docstring."""
    for file in source_files(root):
        here = file.relative_to(root).as_posix()
        if here == STARTED or here.startswith("engine/docs/"):
            continue
        for line, text in literals(file):
            for match in ADDRESS.finditer(text):
                yield f"{here}: module named in a string, {match[0]!r} (line {line}); such names stand in {STARTED}"


def long_texts(root: Path) -> Iterator[str]:
    """String literals of more than CHARACTERS after implicit joining; remedies, SQL and docstrings excepted."""
    for file in source_files(root):
        here = file.relative_to(root).as_posix()
        if "/remedies/" in here or here.startswith("engine/labs/optimizer/"):
            continue
        for line, text in literals(file):
            if len(text) > CHARACTERS and not SQL.match(text):
                yield f"{here}: long text in Python, {len(text)} characters (line {line}); more than {CHARACTERS} belong into Markdown"


@once_a_writing
def literals(file: Path) -> list[tuple[int, str]]:
    """(line, text) of every string literal that is no docstring; in an f-string a pair of braces stands for each value."""
    whole, skipped, found = list(ast.walk(parsed(file))), set(), []
    for node in whole:
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body and isinstance(body[0], ast.Expr):
            skipped.add(body[0].value)
        if isinstance(node, ast.JoinedStr):
            skipped |= {part for part in node.values if isinstance(part, ast.Constant)}
    for node in whole:
        if node in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append((node.lineno, node.value))
        elif isinstance(node, ast.JoinedStr):
            found.append((node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)))
    return found
