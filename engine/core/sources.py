"""What decides a training's numbers besides its declaration: a hash of the sources, that prose, presets and formatting do not move.

Taken together are the files that the lab's file, the files of the answers in its declaration and the training loop (of a lab that
plays, engine/worker/play.py) import, also inside functions, without core/, runs/, declare/ and the Protocols of labs/capabilities.py;
of a record also those of the probes whose metrics it keeps (engine/docs/measure/sources.py).  A file counts by its syntax tree: no
comment, no docstring, no text with a blank in it (a sentence decides nothing), no list of presets, no rules of a lab, which refuse
declarations and change none, and no bounds of a metric, which decide how an interval is drawn around numbers and not the numbers.
Nor does it count that a lab can train many runs together, and how: a method called `stacked_…`, with what it alone imports, and the words
for it in `provides`.  A run of its own never calls it (tests/docs/test_sources.py), and records are made of such runs.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from engine.core.catalog import LABS, Catalog
from engine.core.paths import ROOT

OURS = ("engine", "kernels")
LOOP, PLAY = (f"{OURS[0]}/worker/{name}.py" for name in ("loop", "play"))  # takes the steps of a training, and of a lab that plays
LEFT_OUT = tuple(f"{OURS[0]}/{path}" for path in ("core/", "runs/", "declare/", "labs/capabilities.py"))
PROSE = frozenset(  # what classes say of themselves, and which declarations a lab refuses
    {
        *("rules", "presets", "headline", "thresholds", "edition", "editions", "title", "icon", "papers", "order", "labs"),
        *("idea", "formula", "paper", "cost", "fails", "reading", "source", "about"),
    }
)
BOUNDS = frozenset({"of", "share", "whole", "low", "high"})  # of engine.labs.probe.Metric
STACKED, STACKING_WORDS = "stacked_", frozenset({"stack", "stacked_play"})  # what only runs that are trained together ask a lab for
_SILENT = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params"})  # nothing that runs, or not in every Python


def hashes(files: Iterable[str], root: Path = ROOT) -> dict[str, str]:
    """File -> 12 hex digits of its syntax tree, for these files and all that they import."""
    return {file: _of_file(root / file, (root / file).stat().st_mtime_ns) for file in closure(files, root)}


def digest(hashed: Mapping[str, str]) -> str:
    """One hash of several."""
    return hashlib.sha256("\n".join(f"{file} {one}" for file, one in sorted(hashed.items())).encode()).hexdigest()[:20]


def closure(files: Iterable[str], root: Path = ROOT) -> list[str]:
    """These files and everything of ours that they import, sorted; FileNotFoundError for a file that is not there."""
    waiting, seen = list(files), set()
    while waiting:
        file = waiting.pop()
        if file in seen or file.startswith(LEFT_OUT):
            continue
        seen.add(file)
        waiting += _imports(root, file, (root / file).stat().st_mtime_ns)
    return sorted(file for file in seen if not file.endswith("_presets.py"))


def of_declaration(lab: str, provides: Iterable[str], answers: Iterable[tuple[str, str]]) -> list[str]:
    """The files from which the closure of a training starts: its lab, the loop, and the answers (question, answer) it gives.

    `provides`: the capabilities of the lab, for one that plays has no loop of the trainer.  KeyError for a lab that does not exist.
    """
    given = [file for question, answer in answers for file in answer_files(question, answer)]
    return sorted({Catalog("", object).file(lab), PLAY if "play" in provides else LOOP, *given})


def answer_files(question: str, answer: str) -> list[str]:
    """The files of an answer, relative to the root."""
    found = [*LABS.glob(f"*/remedies/{question}/{answer}.py"), *LABS.glob(f"{question}/{answer}.py")]
    return [path.relative_to(ROOT).as_posix() for path in found]


@functools.lru_cache(maxsize=2048)
def _imports(root: Path, file: str, _written: int) -> tuple[str, ...]:
    """The files of ours that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(_parsed(root / file)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.partition(".")[0] in OURS:
                found |= set(_files(root, name))
    return tuple(sorted(found - {file}))


def _files(root: Path, name: str) -> Iterator[str]:
    path = root.joinpath(*name.split("."))
    for one in (path.with_suffix(".py"), path / "__init__.py"):
        if one.is_file():
            yield one.relative_to(root).as_posix()


def _parsed(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        kind.body = [node for node in kind.body if not (isinstance(node, ast.FunctionDef) and node.name.startswith(STACKED))]
        for node in kind.body:
            if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == "provides" for one in node.targets):
                _drop(node.value, STACKING_WORDS)
    return tree


def _drop(value: ast.AST, words: frozenset[str]) -> None:
    """Take texts out of every set that is written down in an expression."""
    for node in ast.walk(value):
        if isinstance(node, ast.Set):
            node.elts = [one for one in node.elts if not (isinstance(one, ast.Constant) and one.value in words)]


@functools.lru_cache(maxsize=2048)
def _of_file(path: Path, _written: int) -> str:
    whole = hashlib.sha256()
    for part in _parts(_parsed(path)):
        whole.update(part.encode())
    folder = path.parent
    for beside in sorted(folder.glob("*.cu")):  # a kernel's source is no Python, and decides as well
        whole.update(beside.read_bytes())
    return whole.hexdigest()[:12]


def _parts(node: ast.AST) -> Iterator[str]:
    """A syntax tree as text that is the same in every Python from 3.11 on."""
    if isinstance(node, ast.Constant):
        value = node.value
        yield "prose;" if isinstance(value, str) and (" " in value or "\n" in value) else f"{value!r};"
        return
    yield f"{type(node).__name__}("
    for name in sorted(node._fields):
        value = getattr(node, name, None)
        if name in _SILENT or value is None or value == []:
            continue
        yield f"{name}="
        if name == "keywords" and isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Metric":
            value = [one for one in value if one.arg not in BOUNDS]
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST):
                if not _decides_nothing(one):
                    yield from _parts(one)
            else:
                yield f"{one!r};"
    yield ")"


def _decides_nothing(node: ast.AST) -> bool:
    """A docstring or a lone string, and what a lab says of its presets."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id in PROSE for target in node.targets)
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in PROSE
