"""The machine that a figure was measured on: processor, cores, memory, system and the versions that matter."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from typing import Any

import psutil

from engine.core.device import cores, gpu_names
from engine.worker.provenance import device_name
from tests.browser.conftest import chromium_here

PACKAGES = ("torch", "lightning", "streamlit", "plotly", "duckdb", "tensorboard")


def machine() -> dict[str, Any]:
    return {
        "processor": device_name("cpu").partition(": ")[2],
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "gpus": list(gpu_names()),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "versions": {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}, **browser()},
    }


def browser() -> dict[str, str]:
    found = chromium_here()
    if found is None:
        return {}
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout.split()
    return {"chromium": next((word for word in said if word[:1].isdigit()), "unknown")}
