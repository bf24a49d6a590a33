"""What this machine has and lacks for the lab, check by check."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.core import device, locks
from engine.core.paths import data_folder, private_folder

Check = tuple[str, bool, str]

PACKAGES = ("torch", "lightning", "streamlit", "starlette", "plotly", "polars", "duckdb", "pyarrow", "numpy", "pydantic", "psutil")
ENOUGH = 2 * 2**30  # bytes of free disk
OLDEST, NEWEST = (3, 11), (3, 13)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def examine() -> Iterator[Check]:
    yield python()
    yield packages()
    yield torch()
    yield gpu()
    yield cores()
    yield from folder(data_folder())
    yield chromium()


def python() -> Check:
    good = OLDEST <= sys.version_info[:2] <= NEWEST
    wanted = f"{'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))}"
    return "python", good, f"Python {platform.python_version()}" + ("" if good else f"; the lab needs {wanted}")


def packages() -> Check:
    versions: list[str] = []
    missing: list[str] = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    return "packages", not missing, f"missing: {', '.join(missing)}; run `make app`" if missing else ", ".join(versions)


def torch() -> Check:
    build = device.torch_build()
    kind = "for the CPU only" if build.endswith("+cpu") else "with CUDA, if its wheel has it"
    return "torch", bool(build), f"torch {build}, built {kind}" if build else "torch is not installed; run `make app`"


def gpu() -> Check:
    names = device.gpu_names()
    if not names:
        return "gpu", False, "no NVIDIA GPU is visible; presets run on the CPU, those named _gpu would take long"
    if not device.gpus():
        return "gpu", False, f"{', '.join(names)} is there, but the installed torch or CUDA_VISIBLE_DEVICES does not let it be used"
    return "gpu", True, ", ".join(names)


def cores() -> Check:
    count = device.cores()
    return "cores", True, f"{count} cores: {count} CPU runs of one thread at a time"


def folder(data: Path) -> Iterator[Check]:
    """Is the data folder writable, has it room, and who keeps its index and its queue?"""
    try:
        private_folder(data)
        writable = os.access(data, os.W_OK)
    except OSError:
        writable = False
    yield "data", writable, str(data) if writable else f"{data} cannot be written; name another folder in FAULTLINE_DATA"
    if not writable:
        return
    yield private(data)
    free = shutil.disk_usage(data).free
    yield "disk", free > ENOUGH, f"{free / 2**30:.1f} GiB free" + ("" if free > ENOUGH else "; at least 2 GiB are advised")
    yield holder("owner", data / "owner.lock", owner_of, "keeps the index")
    yield holder("supervisor", data / "supervisor.lock", locks.holder, "minds the queue")
    yield index(data)


def owner_of(lock: Path) -> str:
    """The process that keeps the index: its lock holds the bare number of the process, unlike the others."""
    from engine.index.connection import holder

    return holder(lock)


def holder(name: str, lock: Path, reader: Callable[[Path], int | str | None], what: str) -> Check:
    """Which process holds this lock and so does `what`?  One whose file names nobody is held all the same."""
    if not locks.is_locked(lock):
        return name, True, f"no process {what} now; the next one does"
    process = reader(lock)
    return name, True, f"process {process} {what}" if process else f"a process {what}, and its lock does not name it"


def private(data: Path) -> Check:
    """May other users of this machine enter the data folder, or read the token that opens the lab?"""
    open_to_others = [path for path in (data, data / "token") if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    if data in open_to_others:
        mode = stat.S_IMODE(data.stat().st_mode)
        return "private", False, f"other users of this machine may enter the data folder (mode {mode:o}); `chmod 700 {data}` closes it"
    if open_to_others:
        return "private", False, "other users of this machine may have read data/token; `python -m engine link --new` makes another"
    return "private", True, "only you may enter the data folder"


def index(data: Path) -> Check:
    """Can the index be read from end to end?  While a process keeps it, nobody else may open it, and that process repairs it."""
    from engine.index.connection import examined

    if locks.is_locked(data / "owner.lock"):
        return "index", True, "in use by the process that keeps it, which makes it again where it is damaged"
    problem = examined(data / "faultline.duckdb")
    return "index", not problem, problem or "it can be read from end to end, or is made at the next start"


def chromium() -> Check:
    found = next((path for name in CHROMIUMS if (path := shutil.which(name))), None)
    own = importlib.util.find_spec("playwright") is not None
    if found:
        return "chromium", own, found + ("" if own else "; the browser tests also need playwright, which `make test` installs")
    return "chromium", False, "no Chromium is on the path; only the browser tests need it"
