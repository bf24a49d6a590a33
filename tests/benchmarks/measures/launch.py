"""Benchmark: from the click that launches a run to its first point on the screen."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.benchmarks.benchmark import Benchmark, Figure, median
from tests.browser.in_chromium import chromium, running
from tests.support.entering import let_in

LAUNCHES = 6
# The page stays the same document from the gallery to the run, so one script sees the click and the drawn point.
WATCH = """() => {
  window.clicked = null;
  addEventListener('click', event => { if (event.target.closest('button')) window.clicked ??= performance.now(); }, {capture: true});
  window.shown = new Promise(done => {
    const drawn = node => node.data?.some(t => t.meta?.metric === 'loss/train' && t.x?.length) && node.querySelector('.scatterlayer path');
    const look = () => [...document.querySelectorAll('.js-plotly-plot')].some(drawn)
      ? requestAnimationFrame(() => done(performance.now() - window.clicked)) : requestAnimationFrame(look);
    look();
  });
}"""


REASON = (
    "The worker takes every reading of its first step before its first log call, while the browser builds the page on the same cores. "
    "Next: log the free readings of the first step before the others are taken, and build the page of the run around a chart that is there."
)


class Launch(Benchmark):
    """Chromium on the gallery of a server with a warm fork server, plotly.js fetched; wall-clock time from the click on "Break it" to the
    frame after the one in which the loss chart has a point. Each run is stopped and has left before the next launch; the median of
    launches 2 to 6."""

    title = "Click on Launch to the first point on screen"
    order = 32

    def measure(self) -> list[Figure]:
        times = 3 if self.quick else LAUNCHES
        with tempfile.TemporaryDirectory() as scratch, running(Path(scratch) / "data") as server, chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            let_in(page.context, server.address)
            page.set_default_timeout(60_000)
            taken = []
            for n in range(times):
                self.say(f"launch {n + 1} of {times}")
                taken.append(launch(page, server.address))
        self.raw["seconds"] = taken
        steady = median(taken[1:])
        note = f"the first launch {taken[0]:.2f} s; {min(taken[1:]):.2f} to {max(taken[1:]):.2f} s later"
        return [Figure(f"median of launches 2 to {times}", steady, "s", 1.0, note=note, reason=REASON)]


def launch(page: Page, address: str) -> float:
    """One launch from the gallery -> seconds from click to point; the run has ended afterwards."""
    page.goto(address)
    button = page.get_by_role("button", name="Break it", exact=True).first
    button.wait_for()
    page.wait_for_function("() => globalThis.Plotly")
    page.wait_for_function("() => !document.querySelector('[data-stale=true]')")
    page.evaluate(WATCH)
    button.click()
    seconds = page.evaluate("() => window.shown") / 1000
    page.get_by_role("button", name="Stop").first.click()
    page.get_by_text("stopped").first.wait_for()
    return seconds
