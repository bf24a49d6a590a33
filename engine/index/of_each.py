"""Aggregates of one scalar metric over many runs, one number a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import duckdb


class OfEach(ABC):
    """What a store (engine/index/store.py) is asked of many runs at once; runs without the metric are left out of every answer."""

    _directory: Any

    @abstractmethod
    def _cursor(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]: ...

    @abstractmethod
    def _id(self, run: str) -> int: ...

    def last_values(self, runs: Sequence[str], name: str, layer: str = "") -> dict[str, float]:
        """Run -> the value of its last stored step, finite or not."""
        return self._of_each(runs, name, layer, "arg_max(value, {'s': step, 't': t})")

    def first_values(self, runs: Sequence[str], name: str, layer: str = "") -> dict[str, float]:
        """Run -> the value of its first stored step, finite or not."""
        return self._of_each(runs, name, layer, "arg_min(value, {'s': step, 't': t})")

    def late_means(self, runs: Sequence[str], name: str, layer: str = "", *, share: float = 0.2) -> dict[str, float]:
        """Run -> the mean over the steps of its last `share`, not finite where one of them is not."""
        late = f"QUALIFY step >= max(step) OVER (PARTITION BY run_id) * {1.0 - float(share)!r}"
        return self._of_each(runs, name, layer, "avg(value)", late)

    def first_steps(self, runs: Sequence[str], name: str, layer: str, level: float, *, above: bool = False) -> dict[str, float]:
        """Run -> the first step at which the metric is at or below a level (or at or above it); a run that never is, is left out."""
        reached = f"isfinite(value) AND value {'>=' if above else '<='} {float(level)!r}::DOUBLE"
        return self._of_each(runs, name, layer, f"min(step) FILTER ({reached})")

    def _of_each(self, runs: Sequence[str], name: str, layer: str, what: str, which: str = "") -> dict[str, float]:
        """An aggregate by run, of all its points or of those that `which` leaves; runs for which it is nothing are left out."""
        ids, metrics = {self._id(run): run for run in runs}, self._directory.ids.get((name, layer), ())
        if not ids or not metrics:
            return {}
        of = f"run_id IN ({', '.join(map(str, ids))}) AND metric_id IN ({', '.join(map(str, metrics))})"
        points = f"SELECT run_id, step, t, value FROM store.metric_point WHERE {of} {which}"
        with self._cursor() as cursor:
            rows = cursor.execute(f"SELECT run_id, {what} FROM ({points}) GROUP BY run_id").fetchall()
        return {ids[number]: float(value) for number, value in rows if value is not None}
