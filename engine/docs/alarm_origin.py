"""Where a measurement of the detectors comes from: commit, environment, and a hash of the sources that decide it."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.core.paths import ROOT

DECIDING = ("engine/labs/detector.py", "engine/labs/*/detectors/*.py", "engine/docs/damage.py", "engine/docs/alarm_plan.py")


def origin(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`documents`: the `show` documents of the runs -> commit, dirty, sources, environment, data and date of the record."""
    first = documents[0]["provenance"] if documents else {}
    files = sorted(file for pattern in DECIDING for file in ROOT.glob(pattern))
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": tree_is_dirty(),
        "sources": {"hash": sources_hash(files), "files": [file.relative_to(ROOT).as_posix() for file in files]},
        "environment": {key: first.get(key) for key in ("python", "packages", "device")},
        "data": first.get("data"),
        "date": time.strftime("%Y-%m-%d"),
    }


def sources_hash(files: Sequence[Path]) -> str:
    """Of the syntax trees without docstrings: comments, blanks and texts change nothing."""
    digest = hashlib.sha256()
    for file in files:
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body and ast.get_docstring(node, clean=False) is not None:
                node.body = body[1:]
        digest.update(file.relative_to(ROOT).as_posix().encode() + ast.dump(tree).encode())
    return digest.hexdigest()[:16]


def tree_is_dirty() -> bool:
    """True as well where there is no git."""
    status = _git("status", "--porcelain", "--untracked-files=no")
    return status is None or bool(status)


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None
