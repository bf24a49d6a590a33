"""What the runs of a sweep came to, as its strategy sees them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.declare.knobs import unnest
from engine.runs.ending import ENDED, value_of
from engine.runs.series import split_key
from engine.runs.sweep_file import Sweep, member_runs

COUNTS = frozenset({"finished", "diverged"})  # other ends say nothing of what the knobs do
DELETED = "deleted"  # stands for the status of a run that somebody removed
LATE = 0.2  # share of the steps, at the end, over which a late mean is taken

Point = dict[str, Any]


class Reads(Protocol):
    """What is read of the index (engine.index.store.Store)."""

    def runs(self) -> list[dict[str, Any]]: ...
    def last_values(self, runs: Sequence[str], name: str, layer: str = "") -> dict[str, float]: ...
    def first_values(self, runs: Sequence[str], name: str, layer: str = "") -> dict[str, float]: ...
    def late_means(self, runs: Sequence[str], name: str, layer: str = "", *, share: float = LATE) -> dict[str, float]: ...


@dataclass(frozen=True)
class Outcome:
    """One member of a sweep.  `status`: of its run as far as the index has read it, "" before there is one, DELETED where it is gone.

    `final`: its last value of the metric, NaN where it diverged, None where it came to nothing (yet).  `opening`: its first value, and
    `late`: the mean of its last fifth; None where there is none.
    """

    knobs: Mapping[str, Any]
    run: str | None
    status: str
    final: float | None = None
    opening: float | None = None
    late: float | None = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED or self.status == DELETED

    @property
    def counts(self) -> bool:
        return self.status in COUNTS

    @property
    def diverged(self) -> bool:
        """Whether it diverged, or ended at something that is no finite number."""
        return self.counts and (self.status == "diverged" or (self.final is not None and not math.isfinite(self.final)))


def outcomes(data: Path, store: Reads, sweep: Sweep, metric: str) -> list[Outcome]:
    """One for each member, in their order.  The index tells a run's end only once it has read everything of it.

    Every member of a complete sweep had its run: one that has none any more will come to nothing, and nobody waits for it.
    """
    runs = member_runs(data, sweep)
    standing = {row["run"]: row["status"] for row in store.runs()}
    known = [run for run in runs.values() if run in standing]
    name, layer = split_key(metric)
    last, first, late = (read(known, name, layer) for read in (store.last_values, store.first_values, store.late_means))
    out = []
    for member in sweep.members:
        run = runs[member.identity]
        status = DELETED if run is None and sweep.complete else standing.get(run or "", "")
        values = (value_of(status, last.get(run or "")), first.get(run or ""), late.get(run or ""))
        out.append(Outcome(unnest(dict(member.knobs)), run, status, *values))
    return out


def middle(values: Iterable[float]) -> float:
    """The median, with what is not finite as the worst; NaN for none."""
    ordered = sorted(math.inf if math.isnan(value) else value for value in values)
    return statistics.median(ordered) if ordered else math.nan
