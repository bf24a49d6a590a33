"""What this machine can run on, told without torch: cores, GPUs, and where `device=auto` leads."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import shutil
import subprocess
from pathlib import Path


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@functools.cache
def gpus() -> tuple[str, ...]:
    """The CUDA devices a worker started here could use, as values for CUDA_VISIBLE_DEVICES; empty without a CUDA torch."""
    if torch_build().endswith("+cpu"):
        return ()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(part.strip() for part in named.split(",") if part.strip() not in ("", "-1"))
    return tuple(str(n) for n in range(len(gpu_names())))


@functools.cache
def gpu_names() -> tuple[str, ...]:
    """The NVIDIA GPUs of the machine by name, asked of its driver's own tool, or counted in /dev."""
    tool = shutil.which("nvidia-smi")
    if tool:
        try:
            said = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ()
        return tuple(re.findall(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", said.stdout, flags=re.M))
    return tuple(f"NVIDIA device {p.name.removeprefix('nvidia')}" for p in sorted(Path("/dev").glob("nvidia[0-9]*")))


@functools.cache
def torch_build() -> str:
    """The installed torch, such as "2.13.0+cpu"; "" where there is none."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""


def resolve(device: str) -> str:
    """The value of the knob `device` that is stored: "auto" becomes cuda or cpu.  ValueError, in one sentence, for what is not here."""
    if device == "auto":
        return "cuda" if gpus() else "cpu"
    if device == "cpu":
        return device
    found = re.fullmatch(r"cuda(?::(\d+))?", device)
    if not found:
        raise ValueError(f"device={device} is no device; give auto, cpu, cuda or cuda:N.")
    if not gpus():
        raise ValueError(f"device={device} needs an NVIDIA GPU and a CUDA build of torch, and this machine shows none; give cpu or auto.")
    if found[1] is not None and int(found[1]) >= len(gpus()):
        raise ValueError(f"device={device} is not here; this machine has cuda:0 to cuda:{len(gpus()) - 1}.")
    return device
