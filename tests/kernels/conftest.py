"""One cache of compiled kernels for all tests of a session, and the tools they need."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch

from kernels.build import NoCompiler, compiler
from kernels.emulator.emulator import Emulator
from kernels.launch import KERNEL_PATH


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled-kernels"


@pytest.fixture(scope="session")
def host_compiler() -> str:
    """g++; without it these tests skip at home and fail in CI."""
    found = shutil.which("g++")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("the emulator needs g++, which is not installed")
    return found


@pytest.fixture(scope="session")
def nvrtc() -> tuple[int, int]:
    try:
        return compiler()[0]
    except NoCompiler as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@pytest.fixture(params=["reference", "kernel"])
def dtype(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, cache: Path) -> torch.dtype:
    """The number format of a path: plain torch in fp64; fp32 where the emulated kernel would run."""
    if request.param == "reference":
        return torch.float64
    request.getfixturevalue("host_compiler")
    runner = Emulator(folder=cache)
    monkeypatch.setattr(KERNEL_PATH, "runner", lambda kernel, device: runner)
    return torch.float32
