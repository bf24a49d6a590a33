"""A full disk at launch, while training, checkpointing, ending, exporting, indexing, on page and command line; and one that is read-only.

The cases stand in full_disk/ and run in one process that has a small disk of its own; each name says how it was made full.
"""

from __future__ import annotations

import ast
import fcntl
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from engine.core.paths import ROOT
from tests.support.full_disk import alone, way

FILES = [Path(__file__).parent / "full_disk" / name for name in ("runs.py", "answers.py")]
FUNCTIONS = [node for file in FILES for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
CASES = [node.name for node in FUNCTIONS if node.name.startswith("test_")]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[ET.Element]]:
    """Case -> what the process of all cases reports of it, once for each parameter; the workers of pytest-xdist share one such process."""
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else tmp_path_factory.mktemp("full_disk")
    report = shared / "full_disk.xml"
    with open(shared / "full_disk.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not report.exists():
            run_cases(report)
    found: dict[str, list[ET.Element]] = {}
    for case in ET.parse(report).iter("testcase"):
        found.setdefault(case.attrib["name"].partition("[")[0], []).append(case)
    return found


def run_cases(report: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, FILES), f"--junitxml={report}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "FAULTLINE_"))}
    done = subprocess.run(alone(command), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert report.exists(), done.stdout + done.stderr


@pytest.mark.parametrize("case", [pytest.param(name, id=f"{name.removeprefix('test_')}-{way()}") for name in CASES])
def test_full_disk(outcomes: dict[str, list[ET.Element]], case: str) -> None:
    for part in (part for once in outcomes[case] for part in once):
        if part.tag == "skipped":
            pytest.skip(part.attrib["message"])
        assert part.tag not in ("failure", "error"), f"{part.attrib.get('message')}\n{part.text}"
