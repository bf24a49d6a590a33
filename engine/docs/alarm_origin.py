"""Where a measurement of the detectors comes from: commit, environment, and a hash of the sources that decide it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.core.paths import ROOT
from engine.docs.measure.sources import digest, hashes

DECIDING = ("engine/labs/detector.py", "engine/labs/*/detectors/*.py", "engine/docs/damage.py", "engine/docs/alarm_plan.py")


def origin(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`documents`: the `show` documents of the runs -> commit, dirty, sources, environment, data and date of the record."""
    first = documents[0]["provenance"] if documents else {}
    decides = hashes(file.relative_to(ROOT).as_posix() for pattern in DECIDING for file in ROOT.glob(pattern))
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": tree_is_dirty(),
        "sources": {"hash": digest(decides), "files": decides},
        "environment": {key: first.get(key) for key in ("python", "packages", "device")},
        "data": first.get("data"),
        "date": time.strftime("%Y-%m-%d"),
    }


def tree_is_dirty() -> bool:
    """True as well where there is no git."""
    status = _git("status", "--porcelain", "--untracked-files=no")
    return status is None or bool(status)


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None
