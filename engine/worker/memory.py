"""The memory of a run: a worker on the CPU takes what there was when it began and no more, and says so where that runs out."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil

HEADROOM = 4 * 2**30  # bytes of addresses for files that are mapped and for stacks
FIRST = 500  # of 1000: when the machine runs out of memory, the kernel ends a training before it ends the lab's server
GROUPS = Path("/sys/fs/cgroup")


def available() -> int:
    """Bytes that this process could take now, on this machine and in its control groups."""
    return max(0, min([psutil.virtual_memory().available, *left_in_groups()]))


def left_in_groups(root: Path = GROUPS, membership: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """Bytes left in each control group of this process that has a limit (versions 1 and 2); what could be given back is not counted."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for _, controllers, name in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if controllers == "":
            top, limit, usage, kept = root, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, limit, usage, kept = root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        group = top / name.strip("/")
        for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(top))):
            with contextlib.suppress(OSError, ValueError):  # no limit is the word max, or no file at all
                most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
                reclaimable = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines()).get(kept, "0")
                yield most - used + int(reclaimable)


@contextlib.contextmanager
def limited(device: str) -> Iterator[None]:
    """On the CPU: more than what is available now is refused, as an error that can be told.  A GPU's driver maps far more than it uses."""
    if device != "cpu":
        yield
        return
    mapped, room = psutil.Process().memory_info().vms, available()
    limits = {resource.RLIMIT_DATA: mapped + room}
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        limits[resource.RLIMIT_AS] = mapped + max(room, HEADROOM)
    before = {kind: resource.getrlimit(kind) for kind in limits}
    for kind, most in limits.items():
        soft, hard = before[kind]
        if soft == resource.RLIM_INFINITY or most < soft:
            resource.setrlimit(kind, (most, hard))
    try:
        yield
    finally:
        for kind, both in before.items():
            resource.setrlimit(kind, both)


def go_first() -> None:
    """Let the kernel choose this process where the whole machine has run out of memory."""
    with contextlib.suppress(OSError, ValueError):  # only Linux has it
        path = Path("/proc/self/oom_score_adj")
        path.write_text(str(max(FIRST, int(path.read_text()))))
