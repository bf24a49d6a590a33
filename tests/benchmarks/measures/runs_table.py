"""Benchmark: what the table of the Runs page costs, and how that grows with the runs that are not in it."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from engine.index.owner import IndexOwner
from engine.runs.folder import new_run
from engine.runs.spool import Spool
from pages.parts import clock
from pages.parts.runs import run_table
from tests.benchmarks.benchmark import Benchmark, Figure, best

METRICS, ROWS, STEPS = 500, 200, 20
LOSS = "loss/train"


class RunsTable(Benchmark):
    """Ended runs of 500 metrics of 20 steps each in the index, and the newest 200 of them as the table shows them: CPU time of the
    process, all its threads, best of five.  A first look asks the index for the small curve of each row; later ones keep those of ended
    runs, and list all runs every two seconds."""

    title = "The table of runs"
    order = 46

    def measure(self) -> list[Figure]:
        few, many = (20, 200) if self.quick else (200, 2000)
        for count in (few, many):
            self.say(f"{count:,} runs of {METRICS} metrics")
            with tempfile.TemporaryDirectory() as scratch, closing(Table(Path(scratch), count)) as table:
                self.raw[str(count)] = {"first": best(table.first), "later": best(table.draw)}
        taken = {look: [self.raw[str(count)][look]["cpu_ms"] for count in (few, many)] for look in ("first", "later")}
        return [
            Figure(f"{look} look at {many:,} runs, over {few:,}", b / a, "×", 2.0 if look == "first" else None, note=f"{b:.0f} ms")
            for look, (a, b) in taken.items()
        ]


class Table:
    """An index of `runs` ended runs, and what the page makes of it."""

    def __init__(self, data: Path, runs: int) -> None:
        self.data, self.owner = data, IndexOwner(data)
        knobs = {"seed": 0, "steps": STEPS, "lr": 1e-3, "router": {"is": "hash", "k": 1}}
        for n in range(runs):
            folder = new_run(data, "moe", {"preset": "collapse", "who": "a test", "knobs": {**knobs, "seed": n}})
            folder.write_exit("finished", code=0)
        with closing(Spool(folder.path / "spool.1.bin", folder.run)) as spool:
            spool.log(0, {(LOSS if i == 0 else f"metric/{i}", ""): 0.0 for i in range(METRICS)})
        self.owner.catch_up()
        cursor = self.owner._indexer.connection.cursor()
        cursor.execute("DELETE FROM store.metric_point")
        cursor.execute(
            "INSERT INTO store.metric_point SELECT run_id, metric_id, step, 1e9 + step, 5 - 0.1 * step + 0.01 * random() FROM "
            f"(SELECT run_id FROM store.run) r, (SELECT metric_id FROM store.metric_name) m, range({STEPS}) s(step) ORDER BY ALL"
        )
        cursor.execute("CHECKPOINT")
        cursor.close()

    def draw(self) -> None:
        service = SimpleNamespace(data=self.data, store=self.owner.store, labs=lambda: {"labs": []})
        with patch.object(run_table, "service", lambda: service), patch.object(clock, "zone", lambda: (None, "")):
            rows = run_table.matching(self.owner.store.runs(), "", [], "")
            frame, _ = run_table.table(rows[:ROWS], False)
        assert all(picture.startswith("data:image/svg+xml") for picture in frame["curve"])

    def first(self) -> None:
        run_table._kept.cache_clear()
        self.draw()

    def close(self) -> None:
        self.owner.stop()
