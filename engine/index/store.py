"""The store: every question about runs that pages, routes and the command line ask of the index.

Each method takes a cursor of its own, so that any thread may ask while the owner writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from engine.core.nonfinite import jsonable
from engine.core.suggest import nearest
from engine.declare import editions
from engine.index import draw
from engine.index.batch import LAST
from engine.index.downsample import POINTS, ROWS
from engine.index.follower import Row, count, first_row, listed, state_of
from engine.index.ids import Directory
from engine.index.of_each import OfEach
from engine.index.overlay import Overlay, overlay
from engine.index.repair import repaired
from engine.index.summary import summaries
from engine.index.transaction import rows_of
from engine.runs.folder import RunFolder, all_runs
from engine.runs.series import Series, series_key

EVENT = ("step", "kind", "rule", "layer", "value", "threshold", "says")
PROVENANCE = ("commit", "dirty", "python", "packages", "environment", "device", "kernels", "data", "stack", "stacking")


@repaired
class Store(OfEach):
    """Reading.  `need` makes sure that a run is in the index and raises KeyError for one that does not exist;
    `suspect` is called when an answer could not be read from the file, and gives the store that answers instead; `lazy`: most runs
    are not in the index.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        directory: Directory,
        data: Path,
        lazy: bool,
        *,
        need: Callable[[str], None],
        suspect: Callable[[Store, Exception], Store],
    ) -> None:
        self._connection, self._directory, self._lazy, self.data = connection, directory, lazy, data
        self._need, self._suspect = need, suspect

    # -- runs --------------------------------------------------------------------------------------

    def runs(self) -> list[dict[str, Any]]:
        """The rows of `runs --json`, oldest first, each with `target` (steps asked for) and `twin`."""
        if self._lazy:
            return [listed(row) for row in self._rows_of_files()]
        with self._cursor() as cursor:
            found = cursor.execute("SELECT * EXCLUDE (run_id, knobs) FROM store.run ORDER BY created, run")
            names = [column[0] for column in found.description]
            return [listed(dict(zip(names, row, strict=True))) for row in found.fetchall()]

    def show(self, run: str) -> dict[str, Any]:
        """The `show` document of one run, and its `twin`."""
        run_id = self._id(run)
        folder = RunFolder(self.data / "runs" / run)
        spec, unreadable = folder.spec() or {}, folder.unreadable()
        provenance = folder.provenance()
        with self._cursor() as cursor:
            row = rows_of(cursor, run_id)
            metrics = summaries(cursor, self._directory, run_id)
        odd = unreadable or (row["problem"] if row["status"] == "unreadable" else "")
        return {
            "run": run,
            "lab": row["lab"],
            "preset": row["preset"] or None,
            "status": row["status"],
            "says": odd or " ".join(filter(None, [editions.sentence(spec), str((folder.exit() or {}).get("says") or "")])),
            "steps": row["steps"],
            "knobs": json.loads(row["knobs"]),
            "metrics": dict(sorted(metrics.items())),
            "events": self.events(run),
            "provenance": {name: provenance.get(name) for name in PROVENANCE},
            "parent": spec.get("parent"),
            "twin": row["twin"] or None,
        }

    def state(self, run: str) -> dict[str, Any]:
        """What moves beside the curves: status, step, steps (asked for), phase, step_seconds, attempt, dropped, problem."""
        run_id = self._id(run)
        with self._cursor() as cursor:
            row = rows_of(cursor, run_id)
        return state_of(row, RunFolder(self.data / "runs" / run).state())

    def damage(self, run: str) -> tuple[int, int]:
        """-> (places, bytes) of its spools that could not be read and were skipped."""
        run_id = self._id(run)
        with self._cursor() as cursor:
            found = cursor.execute(f"SELECT count(*), sum(value) FROM store.event WHERE run_id = {run_id} AND kind = 'damage'").fetchall()
        return int(found[0][0]), int(found[0][1] or 0)

    def upto(self, run: str) -> int | None:
        """The highest step of which anything is stored."""
        run_id = self._id(run)
        with self._cursor() as cursor:
            tables = ("metric_point", "vector_point")
            found = [cursor.execute(f"SELECT max(step) FROM store.{t} WHERE run_id = {run_id}").fetchall()[0][0] for t in tables]
        return max((step for step in found if step is not None), default=None)

    # -- what was measured -------------------------------------------------------------------------

    def names(self, run: str) -> list[dict[str, Any]]:
        """Every series of a run: {"key", "name", "layer", "unit", "kind", "shape"}, by name and layer."""
        run_id = self._id(run)
        with self._cursor() as cursor:
            found = cursor.execute(
                f"SELECT DISTINCT metric_id FROM store.metric_point WHERE run_id = {run_id} "
                f"UNION SELECT DISTINCT metric_id FROM store.vector_point WHERE run_id = {run_id}"
            ).fetchall()
        infos = sorted((self._directory.info[number] for (number,) in found), key=lambda i: (i.name, i.layer))
        return [
            {
                "key": series_key(i.name, i.layer),
                "name": i.name,
                "layer": i.layer,
                "unit": i.unit,
                "kind": i.kind,
                "shape": list(i.shape),
            }
            for i in infos
        ]

    def series(
        self, run: str, name: str, layer: str = "", *, lo: int | None = None, hi: int | None = None, points: int = POINTS
    ) -> dict[str, Any]:
        """One series between two steps (inclusive), as minimum and maximum of about `points` / 2 buckets.

        `steps`, `t`, `values` hold finite values only; `nonfinite` is [[step, t, "NaN"], …] and
        `nonfinite_count` counts all of them; `exact` is true when every stored point is there.
        """
        return self.many([(run, name, layer)], lo=lo, hi=hi, points=points)[0]

    def many(
        self, wanted: Sequence[tuple[str, str, str]], *, lo: int | None = None, hi: int | None = None, points: int = POINTS
    ) -> list[dict[str, Any]]:
        """Many series (run, name, layer) for about the price of one: all curves of a page, or one curve of a hundred runs."""
        ids = [(self._id(run), self._directory.ids.get((name, layer), ()) or (-1,)) for run, name, layer in wanted]
        if not ids:
            return []
        with self._cursor() as cursor:
            return draw.series(cursor, ids, lo, hi, max(2, points))

    def overlay(self, runs: Sequence[str], name: str, layer: str = "", **how: Any) -> Overlay:
        """One scalar metric of many runs in one query: a line each, and all of them in common buckets of steps; `how` as `overlay`."""
        ids, metrics = [self._id(run) for run in runs], self._directory.ids.get((name, layer), ()) or (-1,)
        with self._cursor() as cursor:
            return overlay(cursor, ids, metrics, **how)

    def vectors(
        self, run: str, name: str, layer: str = "", *, lo: int | None = None, hi: int | None = None, rows: int = ROWS, even: bool = False
    ) -> dict[str, Any]:
        """{"steps", "t", "v"}: all rows, or of each bucket the row with the largest element, always with the first and the last.

        `even`: one row in so many, and the last, as a film needs them.
        """
        asked = (self._id(run), self._directory.ids.get((name, layer), ()) or (-1,))
        with self._cursor() as cursor:
            return draw.vectors(cursor, asked, lo, hi, max(1, rows), even=even)

    def events(self, run: str, newest: int | None = None) -> list[dict[str, Any]]:
        """Events by step, all or so many of the last; those of one step in the order in which they were told."""
        run_id, most = self._id(run), "" if newest is None else f" LIMIT {newest}"
        chosen = f"SELECT {', '.join(EVENT)} FROM store.event WHERE run_id = {run_id} ORDER BY step DESC, rowid DESC{most}"
        with self._cursor() as cursor:
            return [dict(zip(EVENT, map(jsonable, row), strict=True)) for row in reversed(cursor.execute(chosen).fetchall())]

    def count_events(self, run: str) -> int:
        run_id = self._id(run)
        with self._cursor() as cursor:
            return int(cursor.execute(f"SELECT count(*) FROM store.event WHERE run_id = {run_id}").fetchall()[0][0])

    def pictures(self, run: str) -> dict[str, dict[int, str]]:
        """Name of a picture -> step -> what it says, of all that were announced and are not superseded, by name and step."""
        run_id = self._id(run)
        with self._cursor() as cursor:
            found = cursor.execute(
                f"SELECT rule, step, says FROM store.event WHERE run_id = {run_id} AND kind = 'image' ORDER BY rule, step, rowid"
            ).fetchall()
        out: dict[str, dict[int, str]] = {}
        for name, step, message in found:
            out.setdefault(name, {})[step] = message
        return out

    def frame(self, run: str, names: Iterable[str] | None = None, *, newest: bool = False, hi: int | None = None) -> pl.DataFrame:
        """Every stored point, or of each series only those of its newest step: metric, layer, index (null for scalars), step, t, value.

        NAME, NAME@LAYER or a family may be asked for; `hi`: nothing after this step.
        """
        run_id = self._id(run)
        which = "" if names is None else f" AND metric_id IN ({', '.join(map(str, self._chosen(run, names)))})"
        which += "" if hi is None else f" AND step <= {int(hi)}"
        which += " QUALIFY step = max(step) OVER (PARTITION BY metric_id)" if newest else ""
        with self._cursor() as cursor:
            frame = cursor.sql(
                "SELECT m.name AS metric, m.layer, p.i AS index, p.step, p.t, p.value FROM ("
                f"SELECT metric_id, NULL::INTEGER AS i, step, t, value FROM store.metric_point WHERE run_id = {run_id}{which} UNION ALL "
                "SELECT metric_id, unnest(range(len(v)))::INTEGER, step, t, unnest(v)::DOUBLE FROM "
                f"(FROM store.vector_point WHERE run_id = {run_id}{which})) p JOIN store.metric_name m USING (metric_id) "
                "ORDER BY metric, m.layer, p.step, p.t, index"
            ).pl()
        return frame.filter(pl.col("step") == pl.col("step").max().over("metric", "layer")) if newest else frame

    # -- inside ------------------------------------------------------------------------------------

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def _id(self, run: str) -> int:
        if run not in self._directory.runs:
            self._need(run)
        number = self._directory.runs.get(run)
        if number is None:
            raise KeyError(f"Run {run} has no declaration that can be read (spec.json).")
        return number

    def split(self, key: str) -> Series:
        """The series of a key; of one that no run has measured as its text says."""
        return self._directory.split(key)

    def _chosen(self, run: str, names: Iterable[str]) -> list[int]:
        present = self.names(run)
        out: list[int] = []
        for asked in names:
            family = [s for s in present if s["name"].startswith(f"{asked}/")]
            exact = [s for s in present if asked in (s["name"], s["key"])]
            if not (family or exact):
                raise KeyError(nearest(f"metric of {run}", asked, {s["key"] for s in present} | {s["name"] for s in present}))
            for s in family + exact:
                out += self._directory.ids[s["name"], s["layer"]]
        return sorted(set(out))

    def _rows_of_files(self) -> list[Row]:
        """Without an index of all runs: from their folders, the last losses from Parquet; the few that live are loaded."""
        rows: dict[str, Row] = {}
        exported: list[str] = []
        for folder in all_runs(self.data):
            if folder.run not in self._directory.runs and not (folder.path / "metrics.parquet").exists():
                with suppress(KeyError):  # deleted meanwhile
                    self._need(folder.run)
            if (number := self._directory.runs.get(folder.run)) is not None:
                with self._cursor() as cursor:
                    rows[folder.run] = rows_of(cursor, number)
            elif (row := first_row(folder)) is not None:
                if row["status"] == "unreadable":
                    rows[folder.run] = row
                    continue
                rows[folder.run] = row | {"status": folder.status(), "steps": count(folder.state().get("step")) or 0}
                exported.append(str(folder.path / "metrics.parquet"))
        if exported:
            with self._cursor() as cursor, suppress(duckdb.Error):  # a file that is being replaced: no last value this time
                found = cursor.execute(
                    "SELECT filename, name, arg_max(value, step) FROM read_parquet(?, filename = true) "
                    f"WHERE layer = '' AND name IN ({', '.join(repr(name) for name in LAST)}) GROUP BY ALL",
                    [exported],
                ).fetchall()
                for file, name, value in found:
                    rows[Path(file).parent.name][LAST[name]] = value
        return sorted(rows.values(), key=lambda row: (row["created"] or 0.0, row["run"]))
