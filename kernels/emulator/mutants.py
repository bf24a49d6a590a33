"""Deletes every barrier of a kernel in turn and asks whether its samples notice: what they miss here, a GPU would do wrong in silence.

The barriers are read from the source.  Each deletion runs in a child process of its own, because threads that read too early
use as addresses what was never written.  `python -m kernels.emulator.mutants CACHE [KERNEL …]` prints one line of JSON for each.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from kernels.check import disagreements
from kernels.emulator.emulator import ORDERS, Emulator, library
from kernels.kernel import HERE, Kernel, Sample, kernel, names

BARRIER = re.compile(r"\b__(?:syncthreads|syncthreads_\w+|syncwarp|threadfence|threadfence_\w+)\s*\(")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
LONGEST = 20  # CPU seconds of one child: a loop that never ends is a finding


@dataclass(frozen=True)
class Barrier:
    """A barrier or fence of a source: its line, from 1, and the text of that line."""

    kernel: str
    line: int
    text: str

    @property
    def is_fence(self) -> bool:
        """Fences order memory between blocks that run at the same time, of which the emulator has none: it cannot see them."""
        return "threadfence" in self.text


def barriers(kernel_name: str, source: str) -> list[Barrier]:
    """All of a source, comments aside.  Raises ValueError where two share a line, by which they are named."""
    bare = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source).splitlines()
    listed = []
    for line, text in enumerate(bare, 1):
        calls = BARRIER.findall(text)
        if len(calls) > 1:
            raise ValueError(f"Line {line} of {kernel_name} has {len(calls)} barriers; give each a line of its own.")
        if calls:
            listed.append(Barrier(kernel_name, line, text.strip()))
    return listed


def noticed(one: Kernel, barrier: Barrier, samples: Sequence[Sample], folder: Path | None = None) -> str:
    """What the samples show without this barrier, in a child process; empty where they show nothing."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            runners = [Emulator(order=order, folder=folder, deleted=barrier.line) for order in ORDERS]
            finding = next(disagreements(one, runners, samples), "")
            os.write(writes, finding.encode()[:500])
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        finding = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"the process ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return finding if os.WEXITSTATUS(status) == 0 else f"the process ended with exit code {os.WEXITSTATUS(status)}"


def sweep(one: Kernel, folder: Path | None = None) -> Iterator[tuple[Barrier, str]]:
    """Every barrier of a kernel, and what its samples show without it.  Fences are listed and not tried."""
    samples = [replace(sample, reference=cache(sample.reference)) for sample in one.samples()]
    for sample in samples:
        sample.reference()  # once, here, for all children
    library(one, folder=folder)  # compiled once, here
    for barrier in barriers(one.name, one.source):
        yield barrier, "" if barrier.is_fence else noticed(one, barrier, samples, folder)


def main(arguments: Sequence[str]) -> None:
    import torch

    torch.set_num_threads(1)
    for shared in barriers("common.cuh", (HERE / "common.cuh").read_text("utf-8")):
        raise ValueError(f"common.cuh has a barrier in line {shared.line}; the sweep names barriers by the line of a kernel's own file.")
    for name in arguments[1:] or names():
        for barrier, finding in sweep(kernel(name), Path(arguments[0])):
            line = json.dumps({"kernel": name, "line": barrier.line, "text": barrier.text, "finding": finding})
            os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
