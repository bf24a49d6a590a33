"""Editions of labs: whether a run was made when the same knobs meant another curve.

A lab's edition stands in its file as literals (`edition`, `editions`, `concerns`), and is read from there without importing it:
whoever shows or resumes a run imports no torch, and needs no labs document.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.core.catalog import LABS, Catalog


class Edition(NamedTuple):
    """The number that a lab has today, what each raise of it changed, and which answers that concerns (where it is not all runs)."""

    number: int
    changes: Mapping[int, str]
    concerns: Mapping[int, Mapping[str, str | Sequence[str]]] = MappingProxyType({})

    def concerning(self, spec: Mapping[str, Any], then: int) -> list[int]:
        """The editions after `then` that let the declaration of `spec` mean another curve."""
        knobs = spec.get("knobs")
        later = range(then + 1, self.number + 1)
        return [n for n in later if not isinstance(knobs, Mapping) or _uses(knobs, self.concerns.get(n, {}))]


def _uses(knobs: Mapping[str, Any], answers: Mapping[str, str | Sequence[str]]) -> bool:
    """True where the nested knobs of a spec give one of the named answers to every question named; a knob that is missing may."""
    for name, wanted in answers.items():
        given = knobs[name].get("is") if isinstance(knobs.get(name), Mapping) else knobs.get(name)
        if given is not None and given not in ([wanted] if isinstance(wanted, str) else wanted):
            return False
    return True


def today(lab: str, labs: Path = LABS) -> Edition | None:
    """Of the lab as its file is now; None for one that does not exist or cannot be parsed."""
    catalog = Catalog("", object, labs)
    try:
        path = catalog.root / catalog.file(lab)
        return _read(path, path.stat().st_mtime_ns)
    except (KeyError, OSError):
        return None


def difference(spec: Mapping[str, Any], labs: Path = LABS) -> str:
    """What a run's edition has to do with today's, as the end of a sentence that begins with "made".

    Empty where they are the same, and where no raise since concerns an answer that the run gives.
    """
    now, then = today(str(spec.get("lab")), labs), spec.get("edition", 1)
    if now is None or then == now.number or not isinstance(then, int):
        return ""
    if then > now.number:
        return f"made with edition {then} of the lab {spec['lab']} by a newer Faultline; this one has edition {now.number}"
    concerning = now.concerning(spec, then)
    if not concerning:
        return ""
    changed = "; ".join(f"edition {n}: {now.changes[n]}" for n in concerning if n in now.changes)
    return f"made with edition {then} of the lab {spec['lab']}; today's is {now.number}" + (f" ({changed})" if changed else "")


def deciding(lab: str, edition: int, knobs: Mapping[str, Any], labs: Path = LABS) -> int:
    """The last edition up to `edition` that says how these nested knobs train; later ones changed answers that they do not give."""
    now = today(lab, labs)
    if now is None or edition > now.number:
        return edition
    return max((n for n in range(2, edition + 1) if _uses(knobs, now.concerns.get(n, {}))), default=1)


def sentence(spec: Mapping[str, Any]) -> str:
    """The same as a whole sentence for whoever looks at the run."""
    message = difference(spec)
    return f"{message[0].upper()}{message[1:]}." if message else ""


@lru_cache(maxsize=64)
def _read(path: Path, _written: int) -> Edition | None:
    try:
        tree = ast.parse(path.read_text("utf-8"))
        found = dict(_assigned(tree))
        return Edition(int(found.get("edition", 1)), dict(found.get("editions", {})), dict(found.get("concerns", {})))
    except (SyntaxError, ValueError, TypeError):  # a lab that nobody can read says so on its own card
        return None


def _assigned(tree: ast.Module) -> list[tuple[str, Any]]:
    """`edition`, `editions` and `concerns` of the classes of a file."""
    lines = [line for thing in tree.body if isinstance(thing, ast.ClassDef) for line in thing.body]
    named = [(line.target, line.value) for line in lines if isinstance(line, ast.AnnAssign) and line.value is not None]
    named += [(line.targets[0], line.value) for line in lines if isinstance(line, ast.Assign)]
    return [(t.id, ast.literal_eval(v)) for t, v in named if isinstance(t, ast.Name) and t.id in ("edition", "editions", "concerns")]
