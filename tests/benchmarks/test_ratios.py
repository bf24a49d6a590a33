"""The budgets that hold as ratios on any machine: what a log call costs beside others, and what a larger index costs a question."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from pathlib import Path

from engine.index.overlay import Overlay
from tests.benchmarks import table
from tests.benchmarks.benchmark import best
from tests.benchmarks.measures.first_indexing import folder_of, start
from tests.benchmarks.measures.log_call import cost
from tests.benchmarks.measures.series import Index
from tests.benchmarks.measures.stacking import ratio

ROOT = Path(__file__).resolve().parent.parent.parent
TRIES = 5  # at most; a busy machine delays the answer and does not change it


def test_a_log_call_costs_a_hundredth_of_summary_writer_and_a_tenth_of_json_lines(tmp_path: Path) -> None:
    least: dict[str, float] = {}
    for n in range(TRIES):
        (tmp_path / str(n)).mkdir()
        with ExitStack() as opened:
            taken = cost(tmp_path / str(n), opened, rounds=2)
        least = {name: min(seconds, least.get(name, seconds)) for name, seconds in taken.items()}
        if 100 * least["spool"] <= least["summary_writer"] and 10 * least["spool"] <= least["json_lines"]:
            return
    raise AssertionError(f"CPU seconds per call: {least}")


def test_one_curve_hardly_costs_more_out_of_ten_times_as_many_points(tmp_path: Path) -> None:
    """Ten times the steps in every run: the rows of a curve grow tenfold, its answer stays small, and other curves are skipped."""

    def one_curve(index: Index) -> float:
        return best(lambda: index.owner.store.series(index.runs[50].run, "metric/50"))["cpu_ms"]

    taken: list[tuple[float, float]] = []
    with closing(Index(tmp_path / "small", 100_000, long=1000)) as small, closing(Index(tmp_path / "large", 1_000_000, long=1000)) as large:
        while not taken or (len(taken) < TRIES and min(b / a for a, b in taken) > 4):
            taken.append((one_curve(small), one_curve(large)))
    assert min(b / a for a, b in taken) <= 4, f"CPU milliseconds at 0.1 and at 1 million points: {taken}"


def test_a_hundred_curves_cost_at_most_a_few_times_their_rows_alone(tmp_path: Path) -> None:
    """What a comparison draws against what merely fetching the same rows costs; ten times the steps make the answer no larger."""
    with closing(Index(tmp_path / "index", 1_000_000, long=1000)) as index:
        store, runs = index.owner.store, [folder.run for folder in index.runs[:100]]
        wanted, points = [(run, "metric/50", "") for run in runs], [400] * 16 + [60] * 84

        def curves() -> Overlay:
            return store.overlay(runs, "metric/50", points=points, buckets=200)

        assert sum(len(line.steps) for line in curves().lines) <= 16 * 404 + 84 * 64
        taken: list[tuple[float, float]] = []
        while not taken or (len(taken) < TRIES and min(b / a for a, b in taken) > 3):
            taken.append((best(lambda: store.many(wanted))["cpu_ms"], best(curves)["cpu_ms"]))
    assert min(b / a for a, b in taken) <= 3, f"CPU milliseconds of a hundred series alone and laid side by side: {taken}"


def test_five_times_as_many_runs_are_indexed_in_at_most_six_times_the_time(tmp_path: Path) -> None:
    taken: list[tuple[float, float]] = []
    while not taken or (len(taken) < TRIES and min(b / a for a, b in taken) > 6):
        few, many = (folder_of(tmp_path / f"{len(taken)}-{count}", count, steps=5) for count in (30, 150))
        taken.append((start(few), start(many)))
    assert min(b / a for a, b in taken) <= 6, f"CPU-seconds for 30 and for 150 runs: {taken}"


def test_eight_seeds_together_cost_at_most_half_of_eight_alone() -> None:
    """The budget of 32 is a quarter, and more together are cheaper: `python -m tests.benchmarks stacking`."""
    knobs = {"width": 16, "batch_size": 16, "blocks": 1, "steps": 30, "probes": "free"}
    taken: list[dict[str, float]] = []
    while not taken or (len(taken) < TRIES and min(one["ratio"] for one in taken) > 0.5):
        taken.append(ratio("consistency", "calm", knobs, members=8, singles=1))
    assert min(one["ratio"] for one in taken) <= 0.5, f"CPU-seconds of a run alone and among eight: {taken}"


def test_the_table_in_the_readme_is_the_one_of_the_stored_figures(tmp_path: Path) -> None:
    document = json.loads((ROOT / "docs" / "measured" / "benchmarks.json").read_text())
    copy = tmp_path / "README.md"
    copy.write_text((ROOT / "README.md").read_text())
    table.write(copy, document)
    assert copy.read_text() == (ROOT / "README.md").read_text(), "run `python -m tests.benchmarks --table`"


def test_figures_of_another_machine_are_kept_and_name_it() -> None:
    """A machine that measures a part does not pass the rest for its own."""
    one = {"date": "2026-01-01", "load": {"before": 0.5, "after": 1.0}}
    old, new = ({"processor": name, "cores": 2, "memory_gib": 8, "gpus": [], "system": "Linux", "versions": {}} for name in ("Old", "New"))
    figure = {"what": "a question", "value": 2.0, "unit": "ms", "budget": None, "note": ""}
    measured = {"a": {**one, "title": "First", "figures": [figure], "machine": old}, "b": {**one, "title": "Second", "figures": [figure]}}
    text = table.text({"machine": new, "benchmarks": measured})
    assert "* (A) 2026-01-01; Old, 2 cores" in text
    assert "* (B) 2026-01-01; New, 2 cores" in text
    assert "| **First** (A) |" in text
    assert "| **Second** (B) |" in text
    alone = table.text({"machine": new, "benchmarks": {"b": measured["b"]}})
    assert alone.startswith("2026-01-01; New")
    assert "| **Second** |" in alone
