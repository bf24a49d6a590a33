"""Benchmark: from a log call in a worker to the frame in which its point is on the screen: 1, 4 and 16 live charts, and a film."""

from __future__ import annotations

import bisect
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.benchmarks.benchmark import Benchmark, Figure, load, median
from tests.browser.conftest import Server
from tests.browser.in_chromium import chromium, running
from tests.support.made_runs import DRAWN, KNOBS, LAYER, MadeRun, readings

CHARTS = (1, 4, 16)
FILMED = 4  # charts that are measured once more under a schematic and a scrubber
HISTORY = 1000  # steps before the page opens: a full trace
PACE = 0.05  # seconds between two log calls
FULL = """([many, last]) => { const all = [...document.querySelectorAll('.js-plotly-plot')];
                               return all.length === many && all.every(node => node.data[0].x.at(-1) >= last); }"""
MOVED = "last => +document.querySelector('.fl-schematics figure')?.dataset.step >= last"
# One entry per chart and draw: [chart, last step drawn, unix time in ms of the frame after the one that shows it].
WATCH = """() => {
  window.painted = [];
  document.querySelectorAll('.js-plotly-plot').forEach((node, chart) => node.on('plotly_afterplot', () => {
    const step = node.data[0].x.at(-1);
    requestAnimationFrame(() => window.painted.push([chart, step, performance.timeOrigin + performance.now()]));
  }));
}"""


REASON = (
    "Software rendering draws every chart anew as SVG, on the cores that train and serve. Next: draw only the traces that have grown "
    "(Plotly.extendTraces), and WebGL where a GPU draws the page."
)


class Pixels(Benchmark):
    """A thread logs 16 scalars every 50 ms as a worker does, onto 1,000 steps that are there already; Chromium shows 1, 4 or 16
    charts, all in view, and 4 under a schematic and a scrubber that follow too. For every step and chart: wall-clock time from the
    log call to the first frame after the one whose drawing holds the step. The median over all of them."""

    title = "Log call to pixel"
    order = 34

    def measure(self) -> list[Figure]:
        figures = []
        with tempfile.TemporaryDirectory() as scratch, running(Path(scratch) / "data", "tests/benchmarks/many_charts.py") as server:
            for many, film in [*((many, False) for many in CHARTS), (FILMED, True)]:
                self.say(f"{many} live charts{' and a film' * film}")
                with chromium() as browser:
                    late = self.one(server, browser, many, film=film, seconds=4 if self.quick else 15)
                p95 = sorted(late)[int(0.95 * len(late))]
                numbers = {"median_ms": median(late), "p95_ms": p95, "points": len(late), "load": load()}
                self.raw[f"{many}_charts{'_film' * film}"] = numbers
                what = f"{many} live chart{'s' if many > 1 else ''}{', schematic and scrubber' * film}, median"
                figures.append(Figure(what, median(late), "ms", 400.0 if many == 4 else None, f"95 % within {p95:.0f} ms", REASON))
        return figures

    def one(self, server: Server, browser: Browser, many: int, *, film: bool, seconds: float) -> list[float]:
        """-> milliseconds of every step on every chart."""
        made = MadeRun(server.data, steps=10**6, knobs={**KNOBS, **DRAWN}, began=time.time() - HISTORY * PACE).declare()
        for step in range(HISTORY):
            assert made.spool.log(step, values(step), load_at(step), t=made.began + PACE * step)
        page = browser.new_page(viewport={"width": 1600, "height": 1400})
        page.goto(f"{server.address}/?run={made.run}&charts={many}{'&film=1' * film}")
        page.wait_for_function(FULL, arg=[many, HISTORY - 1])
        if film:
            page.wait_for_function(MOVED, arg=HISTORY - 1)
        page.evaluate(WATCH)
        with Writing(made, HISTORY) as writing:
            page.wait_for_timeout(1000 * (seconds + 2))
        page.wait_for_function(FULL, arg=[many, max(writing.times)])
        if film:
            page.wait_for_function(MOVED, arg=max(writing.times))
        page.wait_for_timeout(200)  # the frame after
        painted: list[list[float]] = page.evaluate("() => window.painted")
        page.close()
        made.end()
        return latencies(painted, writing.times, many, skip=int(1 / PACE))


class Writing:
    """A thread that logs a step every 50 ms; `times`: unix time of each log call by step."""

    def __init__(self, made: MadeRun, first: int) -> None:
        self.made, self.first = made, first
        self.times: dict[int, float] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self) -> None:
        step = self.first
        while not self.over.wait(PACE):
            self.times[step] = time.time()
            assert self.made.spool.log(step, values(step), load_at(step))
            step += 1

    def __enter__(self) -> Writing:
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.thread.join()


def values(step: int) -> dict[tuple[str, str], float]:
    return {(f"metric/{n}", ""): 2 + 0.3 * ((step * (7 + n)) % 19) / 19 + 40 / (step + 40) for n in range(max(CHARTS))}


def load_at(step: int) -> dict[tuple[str, str], list[float]]:
    """What drives the schematic."""
    return {("router/load", LAYER): readings(step, healthy=False)[1]}


def latencies(painted: list[list[float]], times: dict[int, float], many: int, *, skip: int) -> list[float]:
    """Of every step but the first `skip`, on every chart: the first frame that holds it, minus its log call."""
    late = []
    for chart in range(many):
        drawn = sorted((at, step) for number, step, at in painted if number == chart)
        best, steps, ats = -1.0, [], []
        for at, step in drawn:
            if step > best:
                best = step
                steps.append(step)
                ats.append(at)
        for step in sorted(times)[skip:]:
            place = bisect.bisect_left(steps, step)
            if place == len(steps):
                raise AssertionError(f"step {step} never came to chart {chart}; the last there is {best:.0f}")
            late.append(ats[place] - 1e3 * times[step])
    return late
