"""Pieces of the machine page: slots and queue, devices, memory and disk, and the warm process that starts runs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl
import psutil
import streamlit as st

from engine.core import device
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, all_runs
from engine.scheduler.slots import needs, one_per_worker
from engine.server.service import service
from pages.parts.plain import plain, plain_cells
from pages.parts.runs.status import inline
from pages.parts.words import ago, progress, title

GIB = 2**30


def _busy() -> list[RunFolder]:
    """Runs with a process."""
    rows = [row["run"] for row in service().store.runs() if row["status"] not in ENDED]
    folders = [folder for folder in all_runs(service().data) if folder.run in rows or not (folder.path / "exit.json").exists()]
    standing = [(folder, folder.status()) for folder in folders]
    return [folder for folder, status in standing if status in ("running", "held")]


def slots() -> None:
    """How many slots there are, and the run in each."""
    busy, queue = _busy(), service().supervisor.queue()
    cores, gpus = service().supervisor.cores, service().supervisor.gpus
    wants = {folder.run: needs(folder) for folder in busy}
    taken = [needs(folder) for folder in one_per_worker(busy)]
    threads = sum(n for kind, n in taken if kind == "cpu")
    on_gpu = sum(kind != "cpu" for kind, _ in taken)
    with st.grid(min_column_width=170):
        st.metric("CPU slots taken", f"{threads} of {cores}", help="A CPU run takes as many as its knob `threads` says.", border=True)
        st.metric("GPUs taken", f"{on_gpu} of {len(gpus)}" if gpus else "no GPU", help="One run at a time on each GPU.", border=True)
        st.metric("Waiting", str(len(queue)), border=True)
    st.header("In the slots", anchor="slots")
    if not busy:
        st.info("Nothing is training. Press **Break it** on a card of the gallery to change that.", icon=":material/bedtime:")
        st.page_link("home.py", label="Go to the gallery", icon=":material/grid_view:")
    for folder in busy:
        kind, n = wants[folder.run]
        status = folder.status()
        message = [
            progress(folder.state(), status)[1],
            _slot_of(kind, n) if kind == "cpu" else f"GPU {folder.gpu() or kind}",
        ]
        process = folder.process()
        if process is not None:
            message += [f"process {process.pid}", _resident(process.pid)]
            if others := len(folder.stack()):
                message.append(f"trained together with {others} other{'s' if others > 1 else ''} in this slot and memory")
        _line(folder, status, " · ".join(filter(None, message)))


def waiting() -> None:
    """The queue in its order; what somebody changes holds among the runs of one person."""
    queue, order = service().supervisor.queue(), service().supervisor.order
    st.header("Waiting", anchor="waiting")
    if not queue:
        st.caption("Nobody waits: a run launched now starts at once.")
    else:
        st.caption("Persons take turns; a run is moved among those of the same person.")
    paused = order.paused()
    folders = {run: RunFolder(service().data / "runs" / run) for run in queue}
    of = {run: str((folder.spec() or {}).get("who") or "") for run, folder in folders.items()}
    first = {who: run for run, who in reversed(of.items())}
    last = {who: run for run, who in of.items()}
    for place, (run, folder) in enumerate(folders.items(), 1):
        _line(folder, "queued", f"place {place} · {_slot_of(*needs(folder))} · {queue[run]}")
        with st.container(horizontal=True, gap="xsmall"):
            _change("Move up", "arrow_upward", f"up_{run}", order.move, run, -1, disabled=first[of[run]] == run)
            _change("Move down", "arrow_downward", f"down_{run}", order.move, run, 1, disabled=last[of[run]] == run)
            if run in paused:
                _change("Let it start", "play_arrow", f"unpause_{run}", partial(order.pause, on=False), run)
            else:
                _change("Pause", "pause", f"pause_{run}", order.pause, run)


def _change(label: str, icon: str, key: str, change: Callable[..., None], *what: object, disabled: bool = False) -> None:
    """A button that changes the queue before the page is drawn again."""

    def pressed() -> None:
        change(*what)
        service().supervisor.step()

    st.button(label, icon=f":material/{icon}:", key=key, on_click=pressed, disabled=disabled)


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
    st.table(
        plain_cells(pl.DataFrame({"what": list(rows), "state": list(rows.values())})),
        hide_index=True,
        hide_header=True,
        border="horizontal",
    )


def _line(folder: RunFolder, status: str, message: str) -> None:
    spec = folder.spec() or {}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            "run.py",
            label=plain(title(spec.get("preset") or spec.get("lab") or folder.run)),
            icon=":material/show_chart:",
            query_params={"run": folder.run},
            width="content",
        )
        st.markdown(f"{inline(status)} :small[{plain(message)}]", width="content")
        st.caption(f"by {plain(spec.get('who') or 'unknown')}", width="content")


def _slot_of(kind: str, threads: int) -> str:
    return f"{threads} CPU thread{'s' if threads != 1 else ''}" if kind == "cpu" else kind


def _resident(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).memory_info().rss / GIB:.1f} GiB"
    except psutil.Error:
        return ""
