"""Where a measurement of the detectors comes from: commit, environment, a hash of the sources that decide it, and whether it is stale."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.core.paths import ROOT
from engine.core.sources import digest, hashes
from engine.docs.alarm_plan import PLAN

FORMAT = 2
DECIDING = ("engine/labs/detector.py", "engine/labs/*/detectors/*.py", "engine/docs/damage.py", "engine/docs/alarm_plan.py")


def origin(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`documents`: the `show` documents of the runs -> commit, dirty, sources, environment, data and date of the record."""
    first = documents[0]["provenance"] if documents else {}
    decides = deciding()
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": tree_is_dirty(),
        "sources": {"hash": digest(decides), "files": decides},
        "environment": {key: first.get(key) for key in ("python", "packages", "device")},
        "data": first.get("data"),
        "date": time.strftime("%Y-%m-%d"),
    }


def deciding() -> dict[str, str]:
    """File -> hash of everything that decides which run is made, which rule fires in it and what counts as damage."""
    return hashes(file.relative_to(ROOT).as_posix() for pattern in DECIDING for file in ROOT.glob(pattern))


def why_stale(stored: Mapping[str, Any], rules: Iterable[str]) -> str:
    """Why docs/measured/detectors.json is no measurement of today's `rules`, in one sentence; nothing when it is."""
    again = "measure it again: python -m engine.docs.alarms --data FOLDER."
    if stored.get("format") != FORMAT or stored.get("dirty"):
        return f"detectors.json is of an older format or of a tree with changes; {again}"
    then, now = stored["sources"]["files"], deciding()
    changed = sorted(file for file in then.keys() | now.keys() if then.get(file) != now.get(file))
    if changed or stored["sources"]["hash"] != digest(now):
        return f"detectors.json was measured before {', '.join(changed) or 'its files'} changed; {again}"
    told = {(run["kind"], run["lab"], run["preset"], run["seed"]) for run in stored["runs"]}
    missing = sorted(one.key for one in PLAN if (one.kind, one.lab, one.preset, one.seed) not in told)
    missing += sorted(set(rules) ^ set(stored["rules"]))
    return f"detectors.json and today's plan and rules differ in {', '.join(missing)}; {again}" if missing else ""


def tree_is_dirty() -> bool:
    """True as well where there is no git."""
    status = _git("status", "--porcelain", "--untracked-files=no")
    return status is None or bool(status)


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None
