"""Benchmark: thirty people on one server, each on a live run of their own: is an update lost, and do the pages still answer?"""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from playwright.sync_api import Page, TimeoutError

from tests.benchmarks.benchmark import Benchmark, Figure, median
from tests.benchmarks.listening import Listener
from tests.browser.conftest import FLAGS, Server, chromium_here
from tests.browser.in_chromium import chromium, running
from tests.support.entering import let_in
from tests.support.made_runs import MadeRun, readings

CLIENTS, BROWSERS = 30, 2
PACE = 0.25  # seconds between two steps of each run
MOST_STEPS = 800  # a page is sent 1,000 points of a series at most, and every single one is counted here
# Resolves with the milliseconds from the next click to the first frame in which the condition holds.
TIMED = """condition => { const holds = eval(condition); let clicked = null;
  addEventListener('click', () => { clicked ??= performance.now(); }, {capture: true, once: true});
  window.answered = new Promise(done => { const look = () => clicked !== null && holds() ? done(performance.now() - clicked)
    : requestAnimationFrame(look); look(); }); }"""
AXIS = """() => [...document.querySelectorAll('.js-plotly-plot')].some(
  n => n._fullLayout?.yaxis.type === '{}' && n.data[0].meta?.metric === 'loss/train')"""
HEADING = "() => document.querySelector('h1')?.textContent.includes('{}') && !document.querySelector('.js-plotly-plot')"
# Between the first snapshot and the opening of the stream a page may lack some steps, until the snapshot that follows the opening.
ALL_THERE = """([run, many]) => faultlineHub.runs.get(run)?.whole.series.get('loss/train')?.steps.length >= many"""


REASON = (
    "Server, thirty runs' ingest, twenty-eight clients and two browsers that draw in software share the cores of this machine. "
    "Next: switch the axis in the browser alone, without a round through the page's script."
)


class Clients(Benchmark):
    """30 live runs, each told a step of six scalars and a vector every 250 ms by this process; 28 clients take /snapshot and /live of
    one run each, two Chromium pages show one each and press four things in turn (linear axis, logarithmic axis, Runs, Gallery):
    wall-clock time from the click to the frame that shows its effect. At the end every client must have every step."""

    title = "30 clients on one server, each on a live run"
    order = 36

    def measure(self) -> list[Figure]:
        with tempfile.TemporaryDirectory() as scratch, running(Path(scratch) / "data") as server, ExitStack() as open_now:
            runs = [MadeRun(server.data, steps=10**6, began=time.time()).declare() for _ in range(CLIENTS)]
            writing = open_now.enter_context(Writing(runs))
            listeners = [open_now.enter_context(Listener(server.port, made.run)) for made in runs[BROWSERS:]]
            first = open_now.enter_context(chromium())
            second = first.browser_type.launch(executable_path=chromium_here(), args=FLAGS)
            pages = [browser.new_page(viewport={"width": 1280, "height": 1800}) for browser in (first, second)]  # the loss is in view
            for page in pages:
                let_in(page.context, server.address)
            for page, made in zip(pages, runs, strict=False):
                opened(page, server, made.run)
            taken = self.actions(server, pages, writing, rounds=1 if self.quick else 5)
            writing.end()
            missing = self.lost(pages, listeners, runs)
        lost = sum(map(len, missing))
        self.raw.update(actions_ms=taken, steps=[made.step for made in runs], lost=missing, resyncs=sum(one.resyncs for one in listeners))
        every = [one for times in taken.values() for one in times]
        p95 = sorted(every)[int(0.95 * len(every))]
        slowest = max(taken, key=lambda name: median(taken[name]))
        return [
            Figure("updates lost, all clients together", lost, "steps", note=f"of {sum(made.step for made in runs):,} sent; none may be"),
            Figure("page action, median", median(every) / 1e3, "s", 1.0, f"95 % within {p95 / 1e3:.2f} s", REASON),
            Figure(f"slowest kind of action, median ({slowest})", median(taken[slowest]) / 1e3, "s", 1.0, reason=REASON),
        ]

    def actions(self, server: Server, pages: list[Page], writing: Writing, rounds: int) -> dict[str, list[float]]:
        """-> milliseconds by name of the action."""
        taken: dict[str, list[float]] = {}
        for n in range(rounds):
            if writing.runs[0].step > MOST_STEPS:
                break
            self.say(f"page actions, round {n + 1} of {rounds}")
            for page, made in zip(pages, writing.runs, strict=False):
                for name, press, condition in (
                    ("linear axis", page.get_by_role("radio", name="linear"), AXIS.format("linear")),
                    ("log axis", page.get_by_role("radio", name="log", exact=True), AXIS.format("log")),
                    ("to Runs", page.get_by_role("link", name="Runs"), HEADING.format("Runs")),
                    ("to the gallery", page.get_by_role("link", name="Gallery"), HEADING.format("Break a training")),
                ):
                    page.evaluate(TIMED, condition)
                    press.first.click()
                    taken.setdefault(name, []).append(page.evaluate("() => window.answered"))
                opened(page, server, made.run)
        return taken

    def lost(self, pages: list[Page], listeners: list[Listener], runs: list[MadeRun]) -> list[list[int]]:
        """Of every client the steps that were told and never came."""
        came = []
        for page, made in zip(pages, runs, strict=False):
            with suppress(TimeoutError):
                page.wait_for_function(ALL_THERE, arg=[made.run, made.step], timeout=20_000)
            came.append(set(page.evaluate("run => faultlineHub.runs.get(run).whole.series.get('loss/train').steps", made.run)))
        came += [listener.all_until(made.step - 1) for listener, made in zip(listeners, runs[BROWSERS:], strict=True)]
        return [sorted(set(range(made.step)) - steps) for made, steps in zip(runs, came, strict=True)]


def opened(page: Page, server: Server, run: str) -> None:
    """The run page with points on a chart."""
    page.goto(f"{server.address}/run?run={run}")
    page.wait_for_function("() => [...document.querySelectorAll('.js-plotly-plot')].some(n => n.data[0]?.x?.length > 5)", timeout=120_000)


class Writing:
    """A thread that tells one step of every run each 250 ms, evenly spread."""

    def __init__(self, runs: list[MadeRun]) -> None:
        self.runs, self.over = runs, threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self) -> None:
        while True:
            for made in self.runs:
                if self.over.wait(PACE / len(self.runs)):
                    return
                scalars, experts = readings(made.step, healthy=True)
                made.log(scalars, load=experts)

    def end(self) -> None:
        self.over.set()
        self.thread.join()

    def __enter__(self) -> Writing:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
