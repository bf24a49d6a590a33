"""Train one run through the command line, in a data folder of its own: what the measurements of presets and of detectors share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.core.paths import ROOT

MEASURABLE = ("finished", "diverged")  # any other end is no measurement


class NoMeasurement(RuntimeError):
    """A run that did not end by itself, or whose sources changed meanwhile; the message is one sentence."""


def train(lab: str, preset: str, seed: int, data: Path, *, knobs: Mapping[str, Any] | None = None, root: Path = ROOT) -> dict[str, Any]:
    """-> the document of `show` of a run that ended by itself.  NoMeasurement, in one sentence.

    `data`: the folder in which it is made; `knobs`: what differs from the preset; `root`: the checkout whose code trains.
    """
    called = f"{lab}/{preset} seed {seed}"
    command = [sys.executable, "-m", "engine", "run", lab, "--preset", preset, f"seed={seed}", "--json"]
    command += [f"{name}={value}" for name, value in (knobs or {}).items()]
    done = subprocess.run(command, cwd=root, env={**os.environ, "FAULTLINE_DATA": str(data)}, capture_output=True, text=True)
    try:
        document: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise NoMeasurement(f"{called}: {_last_line(done.stderr)} (exit {done.returncode}).") from None
    status, why = document.get("status"), _last_line(document.get("says") or document.get("error") or "")
    if status not in MEASURABLE:
        ended = f"{called} ended {status}" if status else called
        raise NoMeasurement(f"{ended}: {why}" if why else f"{ended}.")
    return document


def _last_line(text: str) -> str:
    return " ".join(text.strip().splitlines()[-1:])
