"""Measures every kernel against its peers on a GPU, unattended: correctness first, then interleaved A, B, A, B …

Each repetition runs ours and every peer once, in turn, so that a drifting clock meets all alike.  Cold: the L2 cache is
flushed before each repetition by writing twice its size; warm: it is not.  Times are CUDA events, told as median and quartiles
over at least 50 repetitions.  The ceiling is our own device copy, measured in the same session.
"""

from __future__ import annotations

import datetime
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from kernels import check
from kernels.kernel import Case, Kernel
from kernels.launch import KERNEL_PATH, Gpu

REPETITIONS, WARM_UP = 50, 5
COPIED = 2**30  # bytes of the copy that measures the ceiling

Timer = Callable[[Callable[[], object]], float]


def quartiles(seconds: Sequence[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return {"median": middle, "lower": low, "upper": high}


def interleaved(runs: Mapping[str, Callable[[], object]], timer: Timer, repetitions: int, before: Callable[[], object]) -> dict[str, Any]:
    """Seconds of each run: every repetition runs each of them once, after `before`; the order turns by one each time."""
    names, found = list(runs), {name: [] for name in runs}
    for i in range(repetitions):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            before()
            found[name].append(timer(runs[name]))
    return {name: quartiles(seconds) for name, seconds in found.items()}


def on_device(run: Callable[[], object]) -> float:
    """Seconds between two CUDA events around a run."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def on_host(run: Callable[[], object], repetitions: int = 200) -> float:
    """CPU seconds per call, the device's work not waited for."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repetitions):
        run()
    passed = time.perf_counter() - started
    torch.cuda.synchronize()
    return passed / repetitions


def launches(run: Callable[[], object]) -> int:
    """Kernels that a call puts on the device."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    return sum(e.count for e in seen.key_averages() if e.device_type == torch.autograd.DeviceType.CUDA)


def ceiling(device: torch.device) -> float:
    """Bytes per second of a device copy, read and written bytes together."""
    source = torch.empty(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    for _ in range(WARM_UP):
        target.copy_(source)
    return 2 * COPIED / statistics.median(on_device(lambda: target.copy_(source)) for _ in range(REPETITIONS))


def one_size(case: Case, flush: Callable[[], object], copied: float) -> dict[str, Any]:
    """Everything about one size: a peer that cannot run says why and hides no other."""
    runs, broken = {"ours": case.ours}, {}
    for name, peer in case.peers.items():
        try:
            for _ in range(WARM_UP):
                peer()
            torch.cuda.synchronize()
            runs[name] = peer
        except Exception as error:  # a compiler or a library that this machine lacks
            broken[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    for _ in range(WARM_UP):
        case.ours()
    cold = interleaved(runs, on_device, REPETITIONS, flush)
    warm = interleaved(runs, on_device, REPETITIONS, lambda: None)
    told = {
        name: {"cold": cold[name], "warm": warm[name], "host": on_host(run, 50), "launches": launches(run)} for name, run in runs.items()
    }
    share = case.bytes / cold["ours"]["median"] / copied
    return {"size": case.size, "bytes": case.bytes, "share_of_copy": share, "runs": told, "not_run": broken}


def measured(kernel: Kernel, device: torch.device, copied: float) -> dict[str, Any]:
    """One kernel: parity first; a kernel that disagrees is not timed."""
    runner = Gpu(device)
    wrong = list(check.disagreements(kernel, [runner, runner]))
    if wrong:
        return {"parity": "failed", "problems": wrong, "sizes": []}
    room = torch.empty(2 * torch.cuda.get_device_properties(device).L2_cache_size, dtype=torch.uint8, device=device)
    return {"parity": "passed", "problems": [], "sizes": [one_size(case, room.zero_, copied) for case in kernel.cases(device)]}


class NoDevice(RuntimeError):
    """There is no CUDA device on this machine."""


def everything(kernels: Sequence[Kernel], progress: Callable[[str], None] = lambda step: None) -> dict[str, Any]:
    """The document that is committed under kernels/measured/: device, versions, date, ceiling, and each kernel.

    Raises NoDevice where there is no GPU.
    """
    if not torch.cuda.is_available():
        raise NoDevice("measures on a GPU, and no CUDA device is here")
    device = torch.device("cuda", torch.cuda.current_device())
    KERNEL_PATH.prefer("auto")
    progress("measuring the copy that is the ceiling")
    copied = ceiling(device)
    return {
        "device": torch.cuda.get_device_name(device),
        "versions": {"torch": torch.__version__, "cuda": torch.version.cuda},
        "date": datetime.date.today().isoformat(),
        "copy_bytes_per_second": copied,
        "kernels": dict(_each(kernels, device, copied, progress)),
    }


def _each(kernels: Sequence[Kernel], device: torch.device, copied: float, progress: Callable[[str], None]) -> Iterator[tuple[str, Any]]:
    for kernel in kernels:
        progress(f"measuring {kernel.name}")
        try:
            yield kernel.name, measured(kernel, device, copied)
        except Exception as error:  # unattended: one kernel that breaks leaves the others their turn
            yield kernel.name, {"parity": "failed", "problems": [f"{type(error).__name__}: {error}"], "sizes": []}
