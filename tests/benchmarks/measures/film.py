"""Benchmark: what one move of the scrubber takes of the browser's main thread, with twins of 1,000 steps and six charts in view."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.benchmark import Benchmark, Figure, load, median
from tests.browser.in_chromium import chromium, running
from tests.support.entering import let_in
from tests.support.made_runs import DRAWN, finished_twins

STEPS, MOVES = 1000, 60
READY = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(one => one.getBoundingClientRect().top < innerHeight).length >= 6
  && [...document.querySelectorAll('.fl-schematics figure')].every(figure => +figure.dataset.step === 999)"""
# Busy time of the two frames in which the parts of the page move: from the beginning of a frame to the first task after its painting.
MOVE = """async moves => {
  const { film } = globalThis.faultlineHub;
  const frame = () => new Promise(done => requestAnimationFrame(() => {
    const began = performance.now(), { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now() - began);
    port2.postMessage(0);
  }));
  const asked = () => performance.getEntriesByType('resource').filter(one => one.name.includes('/snapshot')).length;
  const before = asked(), times = [];
  for (let i = 0; i < moves; i++) {
    const first = frame();
    film.seek(10 + i * 15);
    times.push(await first + await frame());
  }
  return { times, asked: asked() - before, charts: [...film.hub.charts].filter(part => part.inView && part.drawn).length };
}"""


class Film(Benchmark):
    """The run page of twins with 1,000 steps in Chromium, in a window in which at least six charts and both schematics are in view.  60
    moves in a row, as a hand makes them; of each the time from the beginning of a frame to the first task after its painting, over the two
    frames in which cross-hairs, hover boxes and schematics follow.  The median."""

    title = "One move of the scrubber"
    order = 35

    def measure(self) -> list[Figure]:
        with tempfile.TemporaryDirectory() as scratch, running(Path(scratch) / "data") as server, chromium() as browser:
            broken, cured = finished_twins(server.data, steps=STEPS, more=DRAWN)
            context = browser.new_context(viewport={"width": 1600, "height": 2600})
            let_in(context, server.address)
            page = context.new_page()
            page.goto(f"{server.address}/run?run={broken.run},{cured.run}")
            page.wait_for_function(READY, timeout=120_000)
            got = page.evaluate(MOVE, 10 if self.quick else MOVES)
            context.close()
        p95 = sorted(got["times"])[int(0.95 * len(got["times"]))]
        self.raw["film"] = {"median_ms": median(got["times"]), "p95_ms": p95, "charts": got["charts"], "load": load()}
        return [
            Figure("main thread, median", median(got["times"]), "ms", 100.0, f"{got['charts']} charts in view; 95 % within {p95:.0f} ms"),
            Figure("requests while the hand moves", float(got["asked"]), "requests", 0.5, "none until it rests for 300 ms"),
        ]
