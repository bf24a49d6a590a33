"""Pieces of the machine page: slots and queue, devices, memory and disk, and the warm process that starts runs."""

from __future__ import annotations

import shutil
import time
from typing import Any

import polars as pl
import psutil
import streamlit as st
from engine import device
from engine.folder import ENDED, RunFolder, all_runs
from engine.knobs import unnest
from engine.service import service

from pages.parts.status import inline
from pages.parts.words import ago, progress, title

GIB = 2**30


def _living() -> tuple[list[RunFolder], list[RunFolder]]:
    """-> (runs with a process, runs that wait, in their order)."""
    rows = [row["run"] for row in service().store.runs() if row["status"] not in ENDED]
    folders = [folder for folder in all_runs(service().data) if folder.run in rows or not (folder.path / "exit.json").exists()]
    standing = [(folder, folder.status()) for folder in folders]
    queued = [folder for folder, status in standing if status == "queued"]
    busy = [folder for folder, status in standing if status in ("running", "held")]
    return busy, sorted(queued, key=lambda folder: ((folder.spec() or {}).get("created", 0.0), folder.run))


def slots() -> None:
    """How many slots there are, and the run in each."""
    busy, queued = _living()
    cores, gpus = service().supervisor.cores, service().supervisor.gpus
    needs = {folder.run: _needs(folder) for folder in busy}
    threads = sum(n for kind, n in needs.values() if kind == "cpu")
    on_gpu = sum(kind != "cpu" for kind, _ in needs.values())
    with st.grid(min_column_width=170):
        st.metric("CPU slots taken", f"{threads} of {cores}", help="A CPU run takes as many as its knob `threads` says.", border=True)
        st.metric("GPUs taken", f"{on_gpu} of {len(gpus)}" if gpus else "no GPU", help="One run at a time on each GPU.", border=True)
        st.metric("Waiting", str(len(queued)), border=True)
    if service().supervisor.problem:
        st.error(service().supervisor.problem, icon=":material/error:")
    st.header("In the slots", anchor="slots")
    if not busy:
        st.info("Nothing is training. Press **Break it** on a card of the gallery to change that.", icon=":material/bedtime:")
        st.page_link("home.py", label="Go to the gallery", icon=":material/grid_view:")
    for folder in busy:
        kind, n = needs[folder.run]
        status = folder.status()
        says = [
            progress(folder.state(), status)[1],
            _place(kind, n) if kind == "cpu" else f"GPU {folder.gpu() or kind}",
        ]
        process = folder.process()
        if process is not None:
            says += [f"process {process.pid}", _resident(process.pid)]
        _line(folder, status, " · ".join(filter(None, says)))


def waiting() -> None:
    """The queue, first in, first out on each device."""
    _, queued = _living()
    st.header("Waiting", anchor="waiting")
    if not queued:
        st.caption("Nobody waits: a run launched now starts at once.")
    elif not service().executor.ready:
        st.caption("Runs start as soon as torch has been imported, some seconds after the server has started.")
    for place, folder in enumerate(queued, 1):
        _line(folder, "queued", f"place {place} · {_place(*_needs(folder))}")


def memory() -> None:
    """Devices, memory, disk, and whether runs start from a warm process."""
    ram, disk = psutil.virtual_memory(), shutil.disk_usage(service().data)
    names = device.gpu_names()
    executor: Any = service().executor
    warm = getattr(executor, "problem", "") or (
        f"warm (process {executor.pid}): torch is imported, a run starts at once"
        if getattr(executor, "warm", False)
        else "warming up: torch is being imported, runs wait for it"
    )
    up = time.time() - service().started
    rows = {
        "Cores": f"{device.cores()} that this process may use; load {psutil.getloadavg()[0]:.1f}",
        "GPUs": ", ".join(names) if names else "none is visible",
        "torch": device.torch_build() or "not installed",
        "Memory": f"{ram.available / GIB:.1f} of {ram.total / GIB:.1f} GiB free",
        "Disk": f"{disk.free / GIB:.1f} of {disk.total / GIB:.1f} GiB free in the data folder",
        "Start of runs": warm,
        "Index": "this server keeps it" if service().owner.role == "owner" else "another process keeps it; this server reads",
        "Server": f"started {ago(up)}",
    }
    st.table(pl.DataFrame({"what": list(rows), "state": list(rows.values())}), hide_index=True, hide_header=True, border="horizontal")


def _line(folder: RunFolder, status: str, says: str) -> None:
    spec = folder.spec() or {}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            "run.py",
            label=title(spec.get("preset") or spec.get("lab") or folder.run),
            icon=":material/show_chart:",
            query_params={"run": folder.run},
            width="content",
        )
        st.markdown(f"{inline(status)} :small[{says}]", width="content")
        st.caption(f"by {spec.get('who') or 'unknown'}", width="content")


def _needs(folder: RunFolder) -> tuple[str, int]:
    flat = unnest((folder.spec() or {}).get("knobs", {}))
    return str(flat.get("device", "cpu")), int(flat.get("threads", 1))


def _place(kind: str, threads: int) -> str:
    return f"{threads} CPU thread{'s' if threads != 1 else ''}" if kind == "cpu" else kind


def _resident(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).memory_info().rss / GIB:.1f} GiB"
    except psutil.Error:
        return ""
