"""Benchmark: many browsers on one run: what a stream costs, and whether those who leave are forgotten."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from engine.core.paths import ROOT
from tests.benchmarks.benchmark import Benchmark, Figure
from tests.benchmarks.crowd import Crowd
from tests.support.made_runs import MadeRun, readings

FEW, MANY, STEPS = 100, 300, 40
WAVE, WAVES = 300, 5
LAB = ROOT / "tests" / "support" / "fake" / "server.py"
BARE = ROOT / "tests" / "benchmarks" / "bare_stream.py"


class Streams(Benchmark):
    """One run that tells six scalars and a vector a step, and clients of /live that all hear of a step before the next is told: CPU
    time of the server. Against a bare Starlette stream of the same bytes stands what the clients add: CPU with 300 less CPU with one,
    whose ingest is the same. Then 1,500 clients in waves of 300 that come, hear of a step and are cut off, and all of them again."""

    title = "Many browsers on one run"
    order = 37

    def measure(self) -> list[Figure]:
        steps = 10 if self.quick else STEPS
        cpu = least(steps, rounds=2)
        first, second = waves(say=self.say)
        self.raw.update(cpu_seconds=cpu, after_first_waves=first, after_second_waves=second)
        each = f"{1e6 * (cpu['many'] - cpu['one']) / steps / (MANY - 1):.0f} µs a message and browser"
        return [
            Figure(f"CPU at {MANY} streams over CPU at {FEW}", cpu["many"] / cpu["few"], "×", 3.3),
            Figure("what streams add over bare Starlette streams of the same bytes", over_bare(cpu), "×", 2.0, each),
            Figure(f"memory after {WAVE * WAVES:,} clients a second time", second["memory"] / first["memory"], "×", 1.05),
            Figure("descriptors more than before", second["descriptors"] - first["descriptors"], "", note="none may be"),
        ]


def over_bare(cpu: Mapping[str, float]) -> float:
    return (cpu["many"] - cpu["one"]) / cpu["bare"]


def least(steps: int, rounds: int = 1) -> dict[str, float]:
    """CPU seconds of a server for `steps` messages to one, few and many clients, and to as many bare ones; of several rounds the least."""
    taken = [lab(steps) | {"bare": bare(steps)} for _ in range(rounds)]
    return {name: min(one[name] for one in taken) for name in taken[0]}


def lab(steps: int) -> dict[str, float]:
    """One server, to which ever more clients come."""
    taken = {}
    with tempfile.TemporaryDirectory() as scratch, _server(LAB, scratch) as (port, process):
        made = MadeRun(Path(scratch), steps=10**6).declare()
        with Crowd(port, f"/live?run={made.run}") as crowd:
            for name, many in (("one", 1), ("few", FEW), ("many", MANY)):
                crowd.come(many - len(crowd.clients))
                tell(made, crowd)
                before = _cpu(process)
                for _ in range(steps):
                    tell(made, crowd)
                taken[name] = _cpu(process) - before
    return taken


def bare(steps: int) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "frames.json"
        file.write_text(json.dumps([_frame(step) for step in range(steps)]))
        with _server(BARE, str(file)) as (port, process), Crowd(port, "/live") as crowd:
            crowd.come(MANY)
            before = _cpu(process)
            for step in range(steps):
                crowd.expect(word := b'"steps":[%d]' % step)
                _ask(port, "next")
                crowd.hear(word)
            return _cpu(process) - before


def _frame(step: int) -> str:
    """As many bytes as the lab sends for one step."""
    scalars, load = readings(step, healthy=True)
    points = {name: {"steps": [step], "t": [1764172800.0 + step], "values": [value]} for name, value in scalars.items()}
    vectors = {"router/load@blocks.0.moe": {"steps": [step], "t": [1764172800.0 + step], "v": [load]}}
    state = {"status": "running", "step": step, "steps": 10**6, "phase": "training", "step_seconds": 0.05, "attempt": 1}
    message = {"run": "20261126-120000-moe-abcd", "points": points, "vectors": vectors, "events": [], "state": state}
    return f"event: delta\ndata: {json.dumps(message, separators=(',', ':'))}\n\n"


def waves(waves: int = WAVES, *, wave: int = WAVE, say: Any = lambda _: None) -> list[dict[str, float]]:
    """Clients that come together, hear of one step and are cut off, wave after wave, twice -> the server after each time."""
    after = []
    with tempfile.TemporaryDirectory() as scratch, _server(LAB, scratch) as (port, process):
        made = MadeRun(Path(scratch), steps=10**6).declare()
        for time_of_all in (1, 2):
            for n in range(waves):
                say(f"wave {n + 1} of {waves}, time {time_of_all}")
                with Crowd(port, f"/live?run={made.run}") as crowd:
                    crowd.come(wave)
                    tell(made, crowd)
            until = time.monotonic() + 60
            while _ask(port, "healthz")["streams"]:
                if time.monotonic() > until:
                    raise TimeoutError("The streams of clients that have left are still open after 60 s.")
                time.sleep(0.05)
            after.append({"memory": process.memory_info().rss, "descriptors": _descriptors(process)})
    return after


def _descriptors(process: psutil.Process) -> int:
    """Those that stay: a spool that is being read, or the socket of our own last question, is there for a moment only."""
    least_of_all = process.num_fds()
    for _ in range(20):
        time.sleep(0.02)
        least_of_all = min(least_of_all, process.num_fds())
    return least_of_all


def tell(made: MadeRun, crowd: Crowd) -> None:
    """One step, and everybody has heard of it."""
    crowd.expect(word := b'"steps":[%d]' % made.step)
    scalars, load = readings(made.step, healthy=True)
    made.log(scalars, load=load)
    crowd.hear(word)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _ask(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
        return json.load(answer)


@contextmanager
def _server(script: Path, argument: str) -> Iterator[tuple[int, psutil.Process]]:
    """-> (its port, its process)."""
    server = subprocess.Popen([sys.executable, str(script), argument], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline()), psutil.Process(server.pid)
    finally:
        server.kill()
        server.wait()
        server.stdout.close() if server.stdout else None
