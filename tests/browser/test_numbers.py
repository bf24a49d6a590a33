"""The browser writes a number as Python does, and no axis or hover box puts a suffix below 1."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.charts_on_page import at_step, chart, until
from tests.browser.conftest import ROOT, Server
from tests.pages.test_words import WRITTEN
from tests.support.made_runs import MadeRun

pytestmark = pytest.mark.browser

CHARTS = ROOT / "pages" / "parts" / "charts"


def test_the_browser_writes_numbers_as_python_does(browser: Browser) -> None:
    source = re.search(r"^function neat\(.*?^}", (CHARTS / "live_fill.js").read_text(), re.DOTALL | re.MULTILINE)
    assert source is not None
    numbers = [(v, w) for v, w in WRITTEN if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    page = browser.new_page()
    write = "([source, values]) => values.map(new Function(`${source}; return neat;`)())"
    written = page.evaluate(write, [source[0], [value for value, _ in numbers]])
    page.close()
    assert written == [w for _, w in numbers]


@pytest.mark.parametrize("axis", ["linear", "log"])
def test_no_tick_of_a_small_or_a_large_axis_has_a_suffix_that_could_be_a_unit(lab: Server, visitor: Callable[..., Page], axis: str) -> None:
    made = MadeRun(lab.data, steps=30).declare()
    for step in range(30):
        made.log({"loss/train": 2e-5 * (1 + step % 3), "grad_norm": 1e-3 * (1 + step)})
    made.end()
    page = visitor(f"{lab.address}/run?run={made.run}&axis={axis}")
    page.set_viewport_size({"width": 1280, "height": 2000})  # only charts in view show the step under the pointer
    nodes = [chart(page, heading) for heading in ("Gradient norm", "Loss")]
    for node in nodes:
        until(page, "node => node.data[0].x.length === 30 && node.querySelectorAll('.ytick text').length > 1", node)
        ticks = node.locator(".ytick text").all_text_contents()
        assert not [tick for tick in ticks if re.search(r"[mµμn]", tick)], ticks
    page.mouse.move(*at_step(nodes[1], 7))
    for node in nodes:  # both show the step under the pointer
        until(page, "node => node.querySelector('.hoverlayer .legendtext, .hoverlayer text')", node)
        words = node.locator(".hoverlayer").text_content() or ""
        assert re.search(r": 0\.[0-9]+$", words), words
