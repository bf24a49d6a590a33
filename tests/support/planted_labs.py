"""A copy of the engine with one small healthy lab and no torch, in which a test plants files that do harm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.core.paths import ROOT

HEALTHY = """
from engine.labs.lab import Lab

class Healthy(Lab):
    title = "Healthy"
    presets = {}
"""
READ = """
import json, sys
from engine.core.child import Limits
from engine.labs.reading import document, try_imports
limits = Limits(cpu=1, seconds=60.0, memory=2**28)
try_imports(limits)
json.dump(document(limits), open(sys.argv[1], "w"))
"""


def small_engine(root: Path) -> Path:
    """The rooms that reading the labs needs, with the topic `planted` in place of the real ones -> the folder of that topic."""
    skip = shutil.ignore_patterns("__pycache__", "moe", "diffusion", "gnn", "common", "_spike_aware_adam.py", "spam.py")
    for room in ("core", "declare", "runs", "labs"):
        shutil.copytree(ROOT / "engine" / room, root / "engine" / room, ignore=skip)
    (root / "engine" / "__init__.py").touch()
    topic = root / "engine" / "labs" / "planted"
    plant(topic, {"__init__.py": "", "healthy.py": HEALTHY, "healthy.md": "# healthy\n\nNothing breaks.\n"})
    return topic


def plant(topic: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (topic / name).parent.mkdir(parents=True, exist_ok=True)
        (topic / name).write_text(text)


def document_of(root: Path) -> dict[str, Any]:
    """The document of the labs below `root`, read in an interpreter of its own, each file with a second of processor time."""
    answer = root / "document.json"
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", READ, str(answer)], cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(answer.read_text()))
