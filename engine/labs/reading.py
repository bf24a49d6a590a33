"""The document of `labs --json`, read so that one bad file stops nobody: each topic in a child with limits.

The child says which file it begins and ends to import.  A file at which it does not get on, because it loops, exits or crashes, is
left out from then on (engine/core/left_out.py), and the topic is read again without it.

Run as a process of its own by whoever wants the document without importing torch.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from engine.core.catalog import LABS, SHARED, Catalog, module_of, topics
from engine.core.child import LIMITS, Limits, Outcome, Say, in_child
from engine.core.files import write_json
from engine.core.left_out import FINDER, LEFT_OUT, leave_out
from engine.core.paths import ROOT
from engine.labs.describe import Document, Part, describe_labs, describe_probes

FIGURES = ("charts", "schematics")  # folders of labs that only the server draws from
DRAWING = ("chart", "traces", "profiles")  # files of labs that import plotly or polars
LATE = "pyg_"  # how files begin that few runs need and whose import takes about a second: PyTorch Geometric, and pandas with it
TRIES = 5  # a topic with more bad files than that is left out as a whole

Progress = Callable[[str], None]


def quietly(message: str) -> None:
    """Progress that nobody wants to hear."""


def groups() -> dict[str, list[Path]]:
    """Which files are tried together: what topics share, each topic, and what draws in the server; without the late ones."""
    found: dict[str, list[Path]] = {
        name: [file for file in sorted((LABS / name).rglob("*.py")) if not file.stem.startswith(LATE)]
        for name in (*SHARED[::-1], *topics())
    }
    figures = [file for files in found.values() for file in files if _draws(file)]
    return {name: [file for file in files if not _draws(file)] for name, files in found.items()} | {"figures": figures}


def _draws(file: Path) -> bool:
    return bool(set(FIGURES) & set(file.parts)) or file.stem in DRAWING


def try_imports(limits: Limits = LIMITS, progress: Progress = quietly) -> None:
    """Import every file of the labs in a child, a group at a time, and leave out what does harm."""
    for group, files in groups().items():
        progress(f"trying the files of {group}")
        if not _in_children(partial(_import, files), limits).answered:
            rest = f"More than {TRIES} files of this folder do harm when they are imported: all of it is left out until they are corrected."
            leave_out({_name(file): LEFT_OUT.get(_name(file), rest) for file in files if file.stem != "__init__"})


def import_all() -> None:
    """Import what a run imports; a file that cannot be imported is told by whoever needs it."""
    _import([file for group, files in groups().items() if group != "figures" for file in files])


def import_late() -> bool:
    """Import what only a run that needs it imports -> whether all of it could be."""
    files = sorted(file for name in topics() for file in (LABS / name).rglob(f"{LATE}*.py"))
    _import(files)
    return all(module_of(file) in sys.modules for file in files)


def _import(files: Sequence[Path], _say: Say | None = None) -> None:
    for file in files:
        with contextlib.suppress(Exception):
            importlib.import_module(module_of(file).removesuffix(".__init__"))


def document(limits: Limits = LIMITS, progress: Progress = quietly) -> Document:
    """The whole document.  RuntimeError, in one sentence, when a child ends for another reason than a file."""
    labs: list[Document] = []
    errors: list[dict[str, str]] = []
    for topic in topics():
        progress(f"reading the labs of {topic}")
        part = _part(partial(_describe, topic), limits)
        labs += part["labs"]
        errors += part["errors"]
    progress("reading probes and detectors")
    measured = _part(lambda say: describe_probes(), limits)
    errors += measured["errors"]
    named = {error["file"] for error in errors}
    errors += [{"file": file, "says": why, **_entry(file)} for file, why in sorted(LEFT_OUT.items()) if file not in named]
    once = list({tuple(sorted(error.items())): error for error in errors}.values())
    return {
        "labs": sorted(labs, key=lambda lab: lab["lab"]),
        "probes": measured["probes"],
        "detectors": measured["detectors"],
        "charts": Catalog("charts", object).names(),
        "schematics": Catalog("schematics", object).names(),
        "errors": once,
        "left_out": dict(sorted(LEFT_OUT.items())),
    }


def _describe(topic: str, say: Say) -> Part:
    return describe_labs(topic, lambda file: _reading(file, say))


def _part(work: Callable[[Say], Part], limits: Limits) -> Part:
    outcome = _in_children(work, limits)
    if not outcome.answered:
        raise RuntimeError(f"The labs could not be described: the process that reads them {outcome.why}.")
    return dict(outcome.answer)


@contextlib.contextmanager
def _reading(file: str, say: Say) -> Iterator[None]:
    """While a lab is described, its file is the one at which the child may hang."""
    say(["begins", file])
    try:
        yield
    except Exception:
        say(["ends", file])
        raise
    say(["ends", file])


def _in_children(work: Callable[[Say], Any], limits: Limits) -> Outcome:
    """The outcome of the first child that comes to its end; after each that does not, the file at which it was is left out."""
    for _ in range(TRIES + 1):
        outcome = in_child(lambda say: _watched(work, say), limits)
        leave_out(_harmful(outcome))
        if outcome.answered:
            break
    return outcome


def _watched(work: Callable[[Say], Any], say: Say) -> Any:
    FINDER.begins = lambda file: say(["begins", file])
    FINDER.ends = lambda file: say(["ends", file])
    FINDER.harms = lambda file, why: say(["harms", file, why])
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)
    return work(say)


def _harmful(outcome: Outcome) -> dict[str, str]:
    """The files that did harm, and why: those that said so, and the innermost one that a child had begun when it ended."""
    begun: list[str] = []
    harmful: dict[str, str] = {}
    for what, file, *why in outcome.messages:
        if what == "begins":
            begun.append(file)
        elif what == "ends":
            begun.remove(file)
        else:
            harmful[file] = why[0]
    if not outcome.answered and begun:
        harmful[begun[-1]] = f"Reading it {outcome.why}."
    return harmful


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _entry(file: str) -> dict[str, str]:
    """Kind and name of a file, as in the entries of `errors`."""
    path = Path(file)
    folders = path.parts[3:-1]  # below engine/labs/TOPIC
    if path.parts[0] != "engine":
        kind = "kernel"
    elif not folders:
        kind = "file" if path.stem.startswith("_") else "lab"
    else:
        kind = "answer" if folders[0] == "remedies" else folders[0].removesuffix("s")
    return {"kind": kind, "name": path.stem}


def main(file: Path) -> None:
    """Write the document to `file`; what is being done goes to stdout, a sentence a line."""

    def progress(message: str) -> None:
        sys.stdout.write(f"… {message}\n")
        sys.stdout.flush()

    progress("importing torch")
    import torch  # noqa: F401  -- labs import it anyway; here it has its own sentence

    try_imports(progress=progress)
    import_all()
    write_json(file, document(progress=progress))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
