"""Benchmark: what one log call of 100 scalars costs the training process, beside what others do."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from engine.runs.spool import Spool
from tests.benchmarks.benchmark import Benchmark, Figure, interleaved

WIDTH, ROWS = 100, 20
CALLS = {"spool": 2000, "json_lines": 500, "csv_logger": 500, "summary_writer": 60}


class LogCall(Benchmark):
    """CPU time of the process, writer threads included, of one call with a ready-made mapping of 100 doubles; five rounds in which
    the four take turns, the best round of each.  Settings are the defaults: SummaryWriter is asked once per scalar, Lightning's
    CSVLogger writes every 100 steps, JSON lines are flushed at every call."""

    title = "Log call of 100 scalars in the worker"
    order = 10

    def measure(self) -> list[Figure]:
        with tempfile.TemporaryDirectory() as scratch, ExitStack() as opened:
            best = cost(Path(scratch), opened, rounds=3 if self.quick else 5)
        self.raw["cpu_microseconds"] = {name: seconds * 1e6 for name, seconds in best.items()}
        ours = best["spool"]
        plain = ", ".join(f"{name.replace('_', ' ')} {seconds * 1e6:.0f} µs" for name, seconds in best.items())
        return [
            Figure("against TensorBoard's SummaryWriter", ours / best["summary_writer"], "×", 1 / 100, note=plain),
            Figure("against JSON lines flushed per call", ours / best["json_lines"], "×", 1 / 10),
            Figure("against Lightning's CSVLogger", ours / best["csv_logger"], "×"),
        ]


def cost(scratch: Path, opened: ExitStack, rounds: int) -> dict[str, float]:
    """-> CPU seconds per call, the best round of each way."""
    ways = {"spool": spool, "json_lines": json_lines, "csv_logger": csv_logger, "summary_writer": summary_writer}
    works = {name: repeated(way(scratch, opened), CALLS[name]) for name, way in ways.items()}
    for work in works.values():
        work()  # files are open and first names are known
    return {name: min(seconds) / CALLS[name] for name, seconds in interleaved(works, rounds).items()}


def repeated(call: Callable[[int], object], times: int) -> Callable[[], None]:
    """A function that makes the next `times` calls."""
    steps = itertools.count()

    def work() -> None:
        for step in itertools.islice(steps, times):
            call(step)

    return work


def readings(names: list[Any]) -> list[dict[Any, float]]:
    """What a training hands over, made beforehand: a few steps of full doubles."""
    numbers = random.Random(0)
    return [{name: numbers.random() for name in names} for _ in range(ROWS)]


def spool(scratch: Path, opened: ExitStack) -> Callable[[int], object]:
    ours = Spool(scratch / "spool.1.bin", "a-benchmark")
    opened.callback(ours.close)
    rows = readings([(f"metric/{i}", "") for i in range(WIDTH)])
    return lambda step: ours.log(step, rows[step % len(rows)])


def json_lines(scratch: Path, opened: ExitStack) -> Callable[[int], object]:
    file = opened.enter_context(open(scratch / "metrics.jsonl", "w"))  # noqa: SIM115
    rows = readings([f"metric/{i}" for i in range(WIDTH)])

    def call(step: int) -> None:
        file.write(json.dumps({"step": step, **rows[step % len(rows)]}) + "\n")
        file.flush()

    return call


def csv_logger(scratch: Path, opened: ExitStack) -> Callable[[int], object]:
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(scratch, name="csv")
    opened.callback(logger.finalize, "success")
    rows = readings([f"metric/{i}" for i in range(WIDTH)])
    return lambda step: logger.log_metrics(rows[step % len(rows)], step=step)


def summary_writer(scratch: Path, opened: ExitStack) -> Callable[[int], object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils.tensorboard import SummaryWriter

        tensorboard = SummaryWriter(scratch / "tensorboard")
    opened.callback(tensorboard.close)
    rows = readings([f"metric/{i}" for i in range(WIDTH)])

    def call(step: int) -> None:
        for name, value in rows[step % len(rows)].items():
            tensorboard.add_scalar(name, value, step)

    return call
