"""Environment variables that change a training's numbers: cleared for whatever trains, or written down with it.

Libraries read them once, when they are loaded: what a fork server was started with, all its workers have.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

CLEARED = ("ATEN_CPU_CAPABILITY", "MKL_", "KMP_", "ONEDNN_", "DNNL_", "NVIDIA_TF32_OVERRIDE")  # names, or beginnings of names
RECORDED = (*CLEARED, "OMP_", "GOMP_", "TORCH_", "PYTORCH_", "CUBLAS_", "CUDNN_")
ALWAYS = {"PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", "OMP_WAIT_POLICY": "PASSIVE"}


def for_workers(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment for one that trains or reads labs: without what changes numbers, then with `more` (thread counts, GPU)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(CLEARED)}
    return {**kept, **ALWAYS, **(more or {})}


def recorded() -> dict[str, str]:
    """What of this process's environment may change its numbers, for the provenance of a run."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(RECORDED)}
