"""How fast the owner takes in a backlog, and what a min/max query costs: `python -m tests.benchmarks.store_speed [POINTS]`.

Figures are CPU time of this process, best of five for the queries, so that a busy machine changes
them little; wall time stands beside it.  Prints one JSON document.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from engine.folder import new_run
from engine.owner import Owner
from engine.spool import Spool


def backlog(data: Path, width: int, steps: int) -> dict[str, float]:
    """Points per second of one run whose spool holds `steps` calls of `width` scalars."""
    folder = new_run(data, "moe", {"knobs": {}})
    spool = Spool(folder.path / "spool.1.bin", folder.run)
    names = [(f"metric/{i}", "") for i in range(width)]
    for step in range(steps):
        spool.log(step, dict(zip(names, np.random.rand(width).tolist(), strict=True)), t=float(step))
    owner = Owner(data)
    cpu, wall = time.process_time(), time.perf_counter()
    while owner.step():
        pass
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert owner.store.show(folder.run)["metrics"]["metric/0"]["points"] == steps
    folder.write_exit("finished", code=0)
    ended = time.process_time()
    owner.catch_up()
    ended = time.process_time() - ended
    owner.stop()
    points = width * steps
    speed = {"scalars_per_call": width, "per_cpu_second": points / cpu, "per_second": points / wall}
    return {**speed, "finish_cpu_seconds_per_million": ended / points * 1e6}


def best(question: Callable[[], object], times: int = 5) -> dict[str, float]:
    """Milliseconds, of the processor and of the clock on the wall."""
    taken = []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        question()
        taken.append((time.process_time() - cpu, time.perf_counter() - wall))
    return {name: round(min(one[i] for one in taken) * 1e3, 2) for i, name in enumerate(("cpu_ms", "wall_ms"))}


def queries(data: Path, points: int) -> dict[str, object]:
    """100 runs of 100 metrics, `points` in all, and one run whose single series is a million points long."""
    owner = Owner(data)
    steps, cursor = points // 10_000, owner._indexer.connection.cursor()
    runs = [new_run(data, "moe", {"knobs": {}}) for _ in range(101)]
    for folder in runs:
        folder.write_exit("finished", code=0)
    spool = Spool(runs[0].path / "spool.1.bin", "x")
    spool.log(0, {(f"metric/{i}", ""): 0.0 for i in range(100)})
    owner.catch_up()
    ids = [owner._indexer.directory.ids[f"metric/{i}", ""][0] for i in range(100)]
    sizes = [(folder, steps, ids) for folder in runs[:100]] + [(runs[100], 1_000_000, ids[:1])]
    cursor.execute("DELETE FROM store.metric_point")
    for folder, count, metrics in sizes:
        columns = {
            "run_id": np.full(count * len(metrics), owner._indexer.directory.runs[folder.run], np.int32),
            "metric_id": np.repeat(np.array(metrics, np.int32), count),
            "step": np.tile(np.arange(count), len(metrics)),
            "t": np.tile(1e9 + 0.01 * np.arange(count), len(metrics)),
            "value": np.random.randn(count * len(metrics)),
        }
        cursor.register("made", pa.table(columns))
        cursor.execute("INSERT INTO store.metric_point SELECT * FROM made")
    cursor.execute("CHECKPOINT")
    store = owner.store
    asked = [(folder.run, "metric/50", "") for folder in runs[:100]]
    page = [(runs[40].run, f"metric/{i}", "") for i in range(16)]
    answer = {
        "points": points,
        "one_series": best(lambda: store.series(runs[50].run, "metric/50")),
        "one_series_zoomed": best(lambda: store.series(runs[50].run, "metric/50", lo=steps // 2, hi=steps // 2 + steps // 50)),
        "a_series_of_a_million": best(lambda: store.series(runs[100].run, "metric/0")),
        "sixteen_series_of_a_run": best(lambda: store.many(page)),
        "hundred_runs_overlaid": best(lambda: store.many(asked)),
        "show": best(lambda: store.show(runs[50].run)),
        "names": best(lambda: store.names(runs[50].run)),
        "runs": best(store.runs),
        "idle_pass": best(owner.step),
        "bytes_per_point": owner.file.stat().st_size / (points + 1_000_000),
    }
    owner.stop()
    return answer


if __name__ == "__main__":
    points = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        told = {"cores": os.cpu_count(), "backlog": [backlog(Path(one) / str(w), w, s) for w, s in ((100, 40_000), (10, 100_000))]}
        told["query"] = queries(Path(two), points)
    print(json.dumps(told, indent=1))
