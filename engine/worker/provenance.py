"""What decided a run's numbers besides its declaration: code, versions, environment, device, kernels, data."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.core.environment import recorded
from engine.core.files import read_json, write_json
from engine.core.paths import ROOT
from engine.labs.lab import Lab

PACKAGES = ("torch", "lightning", "numpy", "pydantic", "scikit-learn", "scipy", "networkx", "torch-geometric")


def provenance(lab: Lab) -> dict[str, Any]:
    """The content of provenance.json.  `commit` is None outside a git checkout.

    `environment`: the variables that may change numbers; where the lab started the worker, those of engine/core/environment.py are cleared.
    """
    commit, dirty = _commit()
    return {
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "packages": _versions(),
        "environment": recorded(),
        "device": device_name(lab.device),
        "kernels": {},
        "data": lab.provenance(),
    }


def add(folder: Path, **more: Mapping[str, Any]) -> None:
    """Put what became known later into the sections of a run's provenance.json: which path a kernel takes, which network judges."""
    if any(more.values()):
        told = read_json(folder / "provenance.json") or {}
        write_json(folder / "provenance.json", told | {name: {**told.get(name, {}), **found} for name, found in more.items()})


def device_name(device: str) -> str:
    """The hardware's own name: "cpu: AMD EPYC …" or "cuda:0: NVIDIA H100 …"."""
    if device.startswith("cuda"):
        import torch

        return f"{device}: {torch.cuda.get_device_name(device)}"
    return f"{device}: {_processor()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    out = {}
    for name in PACKAGES:
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "torch" in out:
        import torch

        out["torch"] = str(torch.__version__)  # with its build, such as +cu130, which the package's own version may leave out
    return out


def _commit() -> tuple[str | None, bool | None]:
    if not (ROOT / ".git").exists():
        return None, None
    try:
        ask = ["git", "-C", str(ROOT), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
        told = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None, None
    commit = next((line.split()[2] for line in told if line.startswith("# branch.oid")), None)
    return commit, any(not line.startswith("#") for line in told)
