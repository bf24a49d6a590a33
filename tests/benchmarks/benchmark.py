"""What a benchmark is, and the figures it hands back.

A new benchmark is one file in `tests/benchmarks/measures/` with one subclass of `Benchmark`; the folder is the register.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from engine.core.catalog import Catalog
from engine.core.paths import ROOT

Say = Callable[[str], None]


@dataclass(frozen=True)
class Figure:
    """One measured number and the budget it is held against, both in `unit`; `share` is 1 where the budget is just used up.

    `reason`: why it is over its budget and what to try next; shown only where it is.
    """

    what: str
    value: float
    unit: str
    budget: float | None = None
    note: str = ""
    reason: str = ""

    @property
    def share(self) -> float | None:
        return None if self.budget is None else self.value / self.budget

    @property
    def met(self) -> bool | None:
        return None if self.share is None else self.share <= 1

    def json(self) -> dict[str, Any]:
        return {**asdict(self), "share": self.share, "met": self.met}


class Benchmark:
    """Base of every benchmark.  The class docstring says how it is measured.

    `quick` is a version of a few seconds that shows whether the benchmark works; its figures are never written into the docs.
    `raw` keeps what lies behind the figures, for the JSON.  `on_request`: left out unless it is named.
    """

    title: ClassVar[str]
    order: ClassVar[int] = 50  # order in the table, small first
    on_request: ClassVar[bool] = False

    def __init__(self, say: Say = lambda _: None, *, quick: bool = False) -> None:
        self.say, self.quick = say, quick
        self.raw: dict[str, Any] = {}

    def measure(self) -> list[Figure]:
        raise TypeError(f"{type(self).__name__} must define measure()")


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this process, all its threads, while `work` runs."""
    before = time.process_time()
    work()
    return time.process_time() - before


def interleaved(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each, one after the other in every round, so that a busy minute of the machine meets them all."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(cpu_seconds(work))
    return taken


def best(question: Callable[[], object], times: int = 5) -> dict[str, float]:
    """The least of several rounds in milliseconds, of the processor and of the clock on the wall."""
    taken = []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        question()
        taken.append((time.process_time() - cpu, time.perf_counter() - wall))
    return {name: round(min(one[i] for one in taken) * 1e3, 3) for i, name in enumerate(("cpu_ms", "wall_ms"))}


def load() -> float:
    """Processes that wanted a core, on average over the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def benchmarks() -> Catalog[Benchmark]:
    """The register: every benchmark by the name of its file."""
    catalog = Catalog("measures", Benchmark, ROOT / "tests")
    catalog.root = ROOT
    return catalog
