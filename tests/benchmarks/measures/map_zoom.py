"""Benchmark: from a click that zooms into the trainability map to its first 16 x 16 trainings on screen."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.benchmark import Benchmark, Figure, load, median
from tests.browser.in_chromium import chromium, running
from tests.support.entering import let_in

ZOOMS = 8
MAP = "document.querySelector('.fl-stage')?.map"
WHOLE = f"""() => {{
  const map = {MAP};
  return map && !map.busy && map.tiles.some((tile) => tile.of === map.viewKey && tile.side === map.finest);
}}"""
# From the last event of the double click to a frame that is painted with the coarsest tile of the new view.
WATCH = f"""() => {{
  const map = {MAP}, before = map.viewKey, frame = () => new Promise(requestAnimationFrame);
  let clicked;
  const stage = document.querySelector('.fl-stage'), note = (event) => (clicked = event.timeStamp);
  stage.addEventListener('pointerup', note, true);
  globalThis.zoomed = (async () => {{
    const late = performance.now() + 60_000, drawn = () => map.tiles.some((tile) => tile.of === map.viewKey && tile.side === 16);
    while (performance.now() < late && (map.viewKey === before || !drawn())) await frame();
    await frame();
    stage.removeEventListener('pointerup', note, true);
    return performance.now() - clicked;
  }})();
}}"""
SPOT = f"""([x, y]) => {{
  const box = document.querySelector('.fl-stage').getBoundingClientRect(), {{ left, top, width, height }} = {MAP}.inner;
  return [box.left + left + x * width, box.top + top + y * height];
}}"""


class MapZoom(Benchmark):
    """The page *Map* in Chromium with its default network and 200 steps, whole view computed (so the panel's child is warm), nothing in
    the cache.  A double click, each time on another spot of the whole view, and the time until a frame is painted with the first tile of
    16 x 16 trainings of the new view; then back to the whole view.  The median."""

    title = "A click into the trainability map"
    order = 91

    def measure(self) -> list[Figure]:
        times = []
        with tempfile.TemporaryDirectory() as scratch, running(Path(scratch) / "data") as server, chromium() as browser:
            context = browser.new_context(viewport={"width": 1366, "height": 768})
            let_in(context, server.address)
            page = context.new_page()
            page.goto(f"{server.address}/map?steps=200")
            page.wait_for_function(WHOLE, timeout=120_000)
            for number in range(2 if self.quick else ZOOMS):
                spot = page.evaluate(SPOT, [0.15 + 0.09 * number, 0.75 - 0.08 * number])
                page.evaluate(WATCH)
                page.mouse.dblclick(*spot)
                times.append(page.evaluate("() => zoomed") / 1000)
                page.wait_for_function(WHOLE, timeout=120_000)
                page.go_back()
                page.wait_for_function(f"() => {MAP}.view.decades > 4", timeout=120_000)
                page.wait_for_function(WHOLE, timeout=120_000)
            context.close()
        self.raw["zooms"] = {"seconds": times, "load": load()}
        note = f"slowest of {len(times)} {max(times):.2f} s"
        return [Figure("16 x 16 trainings of 200 steps on screen, median", median(times), "s", 1.0, note)]
