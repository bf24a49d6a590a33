"""Names of series, and the directory from names to the integer ids of the index, which never leave it."""

from __future__ import annotations

import duckdb

from engine.runs.series import Series, SeriesInfo, series_key, split_key


class Directory:
    """Ids of runs and metrics.  The owner alone adds to it; readers look names up while it grows.

    One (name, layer) may have several ids, one per unit and shape it was ever described with.
    """

    def __init__(self) -> None:
        self.runs: dict[str, int] = {}
        self.metrics: dict[SeriesInfo, int] = {}
        self.info: dict[int, SeriesInfo] = {}
        self.ids: dict[tuple[str, str], tuple[int, ...]] = {}
        self.unsaved: list[int] = []
        self._keys: dict[str, Series] = {}
        self._next_run = self._next_metric = 1

    def load(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Read everything again; ids once given are never given to something else while the process lives."""
        self.runs = dict(cursor.execute("SELECT run, run_id FROM store.run").fetchall())
        self.metrics, self.info, self.ids, self.unsaved, self._keys = {}, {}, {}, [], {}
        for number, name, layer, unit, kind, shape in cursor.execute("SELECT * FROM store.metric_name ORDER BY metric_id").fetchall():
            self._keep(number, SeriesInfo(name, layer, unit, kind, tuple(shape)))
        self._next_run = max([self._next_run, *(n + 1 for n in self.runs.values())])
        self._next_metric = max([self._next_metric, *(n + 1 for n in self.info)])

    def new_run(self) -> int:
        """A fresh number; `runs` gets the name when the row is committed."""
        self._next_run += 1
        return self._next_run - 1

    def metric(self, series: SeriesInfo) -> int:
        """The id of a series, new if it must be; `unsaved` lists the new ones for the next transaction."""
        number = self.metrics.get(series)
        if number is None:
            number, self._next_metric = self._next_metric, self._next_metric + 1
            self._keep(number, series)
            self.unsaved.append(number)
        return number

    def split(self, key: str) -> Series:
        """(name, layer) of a key; an old metric may have an "@" in its name, which the text alone does not show."""
        at = split_key(key)
        return at if at in self.ids else self._keys.get(key, at)

    def _keep(self, number: int, series: SeriesInfo) -> None:
        self.info[number] = series
        self.metrics[series] = number
        at = (series.name, series.layer)
        self.ids[at] = (*self.ids.get(at, ()), number)
        self._keys[series_key(*at)] = at
