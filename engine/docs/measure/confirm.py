"""Confirm a record whose sources have changed: one seed in full, at the record's commit and here, must give every number bit for bit."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.core import sources
from engine.core.paths import ROOT
from engine.docs.measure import record
from engine.docs.measure.runs import Job, Run, make
from engine.docs.measure.training import NoMeasurement
from engine.labs.lab import Lab


def confirm(
    stored: Mapping[str, Any], job: Job, kind: type[Lab], scratch: Path, docs: Path, knobs: Mapping[str, Any], decides: Mapping[str, str]
) -> str:
    """Renew the hash of a record when nothing moved -> "", or which numbers moved, in one sentence.  NoMeasurement.

    `knobs`: today's declaration, which may have knobs that the record's commit had not; `decides`: file -> hash of what decides the
    numbers that the record keeps.
    """
    with _checkout(stored["commit"]) as then:
        before = make(replace(job, sources={"commit": stored["commit"]}), kind, scratch, then)
    after = make(job, kind, scratch)
    moved = differing(before, after)
    if moved:
        few = ", ".join(moved[:3])
        many = "one number" if len(moved) == 1 else f"{len(moved)} numbers"
        return f"{job.lab}/{job.preset}: {many} of seed {job.seed} moved since its commit ({few}); measure it again."
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    renewed = {"hash": sources.digest(decides), "files": dict(decides)}
    record.write(docs, {**stored, "knobs": dict(knobs), "sources": renewed, "confirmed": [*stored["confirmed"], head]})
    return ""


def differing(before: Run, after: Run) -> list[str]:
    """The numbers that two runs do not share bit for bit; one that only the newer code keeps is none."""
    then, now = before["values"], after["values"]
    return [key for key in then if key not in now or repr(then[key]) != repr(now[key])]


@contextmanager
def _checkout(commit: str):  # type: ignore[no-untyped-def]
    """The tree at a commit, in a folder of its own.  NoMeasurement where the commit is not known here."""
    with tempfile.TemporaryDirectory(prefix="faultline-confirm-") as folder:
        git = ["git", "-C", str(ROOT), "worktree"]
        done = subprocess.run([*git, "add", "--detach", f"{folder}/tree", commit], capture_output=True, text=True)
        if done.returncode:
            raise NoMeasurement(f"The commit {commit} is not in this checkout; measure the preset again.")
        try:
            yield Path(folder) / "tree"
        finally:
            subprocess.run([*git, "remove", "--force", f"{folder}/tree"], capture_output=True)
