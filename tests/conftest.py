"""What several tests share: the command line over a catalog with one toy lab, and workers without a model."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import __main__ as command_line
from engine.commands import labs as labs_command
from engine.executors.local import Local
from engine.folder import RunFolder
from tests.toy import DOCUMENT, WORKER, Answer


@pytest.fixture
def toy_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder, a catalog with one toy lab, and workers without a model."""
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    monkeypatch.setattr(labs_command, "labs_document", lambda *_, **__: DOCUMENT)
    monkeypatch.setattr("engine.supervisor.Local", lambda: Local(WORKER))
    yield tmp_path
    for folder in (RunFolder(p) for p in (tmp_path / "runs").glob("*")):
        process = folder.process()
        if process is not None and process.alive():
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def engine(toy_data: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`engine("run", "toy")` -> exit code, what stdout said (parsed with --json), stderr."""

    def call(*arguments: str) -> Answer:
        code = command_line.main(list(arguments))
        out, err = capfd.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call
