"""Pictures come to the run page while they are drawn, and a chart that is made again keeps what a person zoomed to."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.charts_on_page import chart, until
from tests.browser.conftest import Server
from tests.support.made_runs import MadeRun, finished_run, readings

pytestmark = pytest.mark.browser

PIXELS = """node => { const c = document.createElement('canvas'); c.width = node.naturalWidth; c.height = node.naturalHeight;
  const g = c.getContext('2d'); g.drawImage(node, 0, 0); return [c.width, c.height, g.getImageData(0, 0, 1, 1).data[0]]; }"""


def step_of(made: MadeRun, grey: float) -> None:
    """One step with curves, and a picture of one grey."""
    scalars, load = readings(made.step, healthy=True)
    step = made.step
    made.log(scalars, load=load)
    made.draw("cells", np.full((8, 12), grey), "A plain grey.", step=step)
    made.tick()


def shown(image: Locator, grey: int) -> None:
    drawn = f"([node, grey]) => node.complete && node.naturalWidth > 0 && ({PIXELS})(node)[2] === grey"
    image.page.wait_for_function(drawn, arg=[image.element_handle(), grey])


def test_pictures_appear_and_grow_while_the_training_goes_on(lab: Server, visitor: Callable[..., Page]) -> None:
    made = MadeRun(lab.data, steps=10_000, began=time.time()).declare()
    scalars, load = readings(0, healthy=True)
    made.log(scalars, load=load)
    other = finished_run(lab.data, steps=20, healthy=True)
    page = visitor(f"{lab.address}/run?run={made.run},{other.run}")
    chart(page, "Loss")
    expect(page.get_by_role("heading", name="Cells")).to_have_count(0)

    step_of(made, 0.0)
    image = page.locator(".fl-pictures img").first
    shown(image, 0)
    assert image.evaluate(PIXELS)[:2] == [12, 8]
    assert image.evaluate("node => node.width % 12 === 0 && node.width > 300"), "few pixels are enlarged by a whole factor"
    slider = page.get_by_role("slider", name="Step of Cells")
    expect(slider).to_be_hidden()
    expect(page.locator(".fl-pictures figcaption").nth(1)).to_contain_text("no picture yet")

    image.evaluate("node => { window.kept = node; window.empty = 0; node.addEventListener('error', () => window.empty++); }")
    step_of(made, 0.4)
    shown(image, 102)
    expect(slider).to_be_visible()
    expect(page.locator(".fl-pictures output")).to_have_text("2, the newest")
    assert "step 2. A plain grey." in image.get_attribute("alt")

    slider.focus()
    page.keyboard.press("Home")
    shown(image, 0)
    expect(page.locator(".fl-pictures output")).to_have_text("1 of 2")
    step_of(made, 1.0)
    expect(page.locator(".fl-pictures output")).to_have_text("1 of 3")
    shown(image, 0)
    page.keyboard.press("End")
    shown(image, 255)
    assert page.evaluate("[window.kept === document.querySelector('.fl-pictures img'), window.empty]") == [True, 0], "one node throughout"
    made.end("stopped")
    expect(page.get_by_text("stopped").first).to_be_visible()
    shown(page.locator(".fl-pictures img").first, 255)


def test_a_resumed_run_shows_its_new_pictures(lab: Server, visitor: Callable[..., Page]) -> None:
    from engine.runs.spool import Spool

    made = MadeRun(lab.data, steps=10_000, began=time.time()).declare()
    for grey in (0.0, 0.2, 0.4):
        step_of(made, grey)
    page = visitor(f"{lab.address}/run?run={made.run}")
    image = page.locator(".fl-pictures img").first
    shown(image, 102)
    made.spool.close()
    made.spool = Spool(made.folder.path / "spool.2.bin", made.run, attempt=2, start=1)
    made.step = 1
    expect(page.locator(".fl-pictures")).to_contain_text("step 0")
    shown(image, 0)
    step_of(made, 0.8)
    shown(image, 204)
    expect(page.locator(".fl-pictures output")).to_have_text("1, the newest")
    made.end("stopped")


def counts(step: int) -> np.ndarray:
    """Expert e gets the bytes from 97 + e on; their numbers change with the step."""
    table = np.zeros((8, 256))
    for expert in range(8):
        table[expert, 97 + expert : 99 + expert] = 10 + (step + expert) % 7
    return table


def test_a_redrawn_chart_follows_the_run_and_keeps_its_zoom(lab: Server, visitor: Callable[..., Page]) -> None:
    made = MadeRun(lab.data, steps=10_000, began=time.time()).declare()

    def another(step: int) -> None:
        scalars, load = readings(step, healthy=True)
        made.log(scalars, load=load)
        made.step = step
        made.count_bytes(counts(step))
        made.step = step + 1
        made.tick()

    another(0)
    page = visitor(f"{lab.address}/run?run={made.run}")
    page.set_viewport_size({"width": 1280, "height": 2600})  # every chart in view, so every chart draws
    node = chart(page, "Which bytes each expert gets")
    newest = "(node, text) => JSON.stringify(node.data[1]?.customdata ?? []).includes(text)"
    until(page, newest, node, "100 %, 10 of 10")
    node.scroll_into_view_if_needed()
    left, top, width, height = node.evaluate(
        "node => { const b = node.getBoundingClientRect(), s = node._fullLayout._size; return [b.left + s.l, b.top + s.t, s.w, s.h]; }"
    )
    page.mouse.move(left + 0.3 * width, top + 0.2 * height)
    page.mouse.down()
    page.mouse.move(left + 0.5 * width, top + 0.5 * height, steps=5)
    page.mouse.move(left + 0.6 * width, top + 0.7 * height, steps=5)
    page.mouse.up()
    seen = "node => [...node._fullLayout.xaxis.range, ...node._fullLayout.yaxis.range]"
    until(page, "node => node._fullLayout.xaxis.range[1] - node._fullLayout.xaxis.range[0] < 7", node)
    kept = node.evaluate(seen)
    loss = chart(page, "Loss").evaluate("node => node._fullLayout.xaxis.range")
    assert loss[0] < 0.1, "the other charts stay where they were"
    node.evaluate("node => { window.kept = node; }")
    for step in (1, 2, 3):
        another(step)
        node.scroll_into_view_if_needed()
        until(page, newest, node, f"100 %, {10 + step} of {10 + step}")
        assert node.evaluate(seen) == kept
    assert page.evaluate("document.contains(window.kept)"), "the same node"
    made.end("stopped")
    expect(page.get_by_text("stopped").first).to_be_visible()
    expect(page.get_by_text("As a table")).to_be_visible()
    assert node.evaluate(seen) == kept, "also when the run has ended"
    node.scroll_into_view_if_needed()
    page.mouse.dblclick(left + 0.5 * width, top + 0.5 * height)
    until(page, "node => node._fullLayout.xaxis.range[0] < 0", node)


def test_the_axis_of_a_redrawn_chart_follows_the_switch(lab: Server, visitor: Callable[..., Page]) -> None:
    made = MadeRun(lab.data, steps=10_000, began=time.time()).declare()
    scalars, load = readings(0, healthy=True)
    made.log(scalars, load=load)
    made.vector("router/column_error", np.array([4.0, 3e-2, 2e-4, 1e-6]))
    made.end("stopped")
    page = visitor(f"{lab.address}/run?run={made.run}")
    kind_of = "(node, kind) => node._fullLayout.yaxis.type === kind"
    node = chart(page, "Balancing a batch")
    until(page, kind_of, node, "log")
    low, high = node.evaluate("node => node._fullLayout.yaxis.range")
    assert -7.5 < low < -6 < 0.6 < high < 1.5, "powers of ten"
    page.get_by_text("linear", exact=True).click()
    until(page, kind_of, chart(page, "Balancing a batch"), "linear")
