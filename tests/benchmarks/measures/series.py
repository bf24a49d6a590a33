"""Benchmark: what the index answers, and how the price grows with what is stored."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder, new_run
from engine.runs.spool import Spool
from tests.benchmarks.benchmark import Benchmark, Figure, best

RUNS, METRICS = 100, 100
ONE, ALL = 25.0, 300.0  # milliseconds


class Series(Benchmark):
    """100 ended runs of 100 metrics, ten million points in all (one million too), sorted as the end of a run sorts them: CPU time of
    the process, all its threads, of one question, best of five; minimum and maximum per bucket, 1,000 points a series."""

    title = "Curves out of the index"
    order = 40
    sizes = (1_000_000, 10_000_000)
    quick_sizes = (100_000, 1_000_000)

    def measure(self) -> list[Figure]:
        figures = []
        for points in self.quick_sizes if self.quick else self.sizes:
            self.say(f"an index of {points:,} points")
            with tempfile.TemporaryDirectory() as scratch, closing(Index(Path(scratch), points)) as index:
                asked = self.raw[f"{points:.0e}"] = index.answers()
            many = f"{points / 1e6:g} million points"
            figures += [
                Figure(f"one curve of one run, {many}", asked["one_series"]["cpu_ms"], "ms", ONE),
                Figure(f"one curve of {RUNS} runs overlaid, {many}", asked["hundred_runs_overlaid"]["cpu_ms"], "ms", ALL),
            ]
        figures.append(Figure("sixteen curves of one run", asked["sixteen_series_of_a_run"]["cpu_ms"], "ms"))
        figures.append(Figure("one curve of a million points of its own", asked["a_series_of_a_million"]["cpu_ms"], "ms"))
        return figures


class Index:
    """An owner over 100 runs of 100 metrics, and one run whose single series is long."""

    def __init__(self, data: Path, points: int, *, long: int = 1_000_000) -> None:
        self.points = points + long
        self.owner = IndexOwner(data)
        self.runs = [new_run(data, "moe", {"knobs": {}}) for _ in range(RUNS + 1)]
        for folder in self.runs:
            folder.write_exit("finished", code=0)
        spool = Spool(self.runs[0].path / "spool.1.bin", "x")
        spool.log(0, {(f"metric/{i}", ""): 0.0 for i in range(METRICS)})
        self.owner.catch_up()
        self.steps = points // (RUNS * METRICS)
        self.fill(long)

    def fill(self, long: int) -> None:
        """Straight into the table, made by DuckDB itself: what a thousand hours of training would have told, normally distributed."""
        cursor, directory = self.owner._indexer.connection.cursor(), self.owner._indexer.directory
        ids = [directory.ids[f"metric/{i}", ""][0] for i in range(METRICS)]
        cursor.execute("DELETE FROM store.metric_point")
        cursor.execute("SELECT setseed(0.5)")
        sizes: list[tuple[RunFolder, int, list[int]]] = [(folder, self.steps, ids) for folder in self.runs[:RUNS]]
        for folder, count, metrics in [*sizes, (self.runs[RUNS], long, ids[:1])]:
            metric, step = f"{metrics}[i // {count} + 1]", f"i % {count}"
            cursor.execute(
                f"INSERT INTO store.metric_point SELECT {directory.runs[folder.run]}, {metric}, {step}, 1e9 + 0.01 * ({step}), "
                f"sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) FROM range({count * len(metrics)}) r(i)"
            )
        cursor.execute("CHECKPOINT")
        cursor.close()

    def answers(self) -> dict[str, dict[str, float]]:
        store, runs, middle = self.owner.store, self.runs, self.steps // 2
        asked = [(folder.run, "metric/50", "") for folder in runs[:RUNS]]
        page = [(runs[40].run, f"metric/{i}", "") for i in range(16)]
        return {
            "one_series": best(lambda: store.series(runs[50].run, "metric/50")),
            "one_series_zoomed": best(lambda: store.series(runs[50].run, "metric/50", lo=middle, hi=middle + self.steps // 50)),
            "a_series_of_a_million": best(lambda: store.series(runs[RUNS].run, "metric/0")),
            "sixteen_series_of_a_run": best(lambda: store.many(page)),
            "hundred_runs_overlaid": best(lambda: store.many(asked)),
            "show": best(lambda: store.show(runs[50].run)),
            "names": best(lambda: store.names(runs[50].run)),
            "runs": best(store.runs),
            "idle_pass": best(self.owner.step),
            "file": {"bytes_per_point": self.owner.file.stat().st_size / self.points},
        }

    def close(self) -> None:
        self.owner.stop()
