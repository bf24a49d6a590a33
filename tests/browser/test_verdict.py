"""The chart that decides stands in the first view of a laptop and of a phone, and a sentence of the verdict zooms all charts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page

from tests.browser.charts_on_page import chart, ranges, until
from tests.browser.conftest import Server
from tests.support.made_runs import KNOBS, MadeRun, readings

pytestmark = pytest.mark.browser

DEAD = "router/dead_experts@blocks.1.moe"
CURED = {**KNOBS, "router": {"is": "loss_free", "k": 1, "gate": "softmax", "update_rate": 1e-2}}


def collapsing(data: Path, steps: int = 300) -> tuple[MadeRun, MadeRun]:
    """The twins of the preset, whose dead experts pass its level of 8 at step 100 or stay at 0."""
    knobs = {**KNOBS, "steps": steps}
    broken = MadeRun(data, steps=steps, knobs=knobs)
    cured = MadeRun(data, steps=steps, preset="collapse_cured", knobs={**CURED, "steps": steps})
    for made, twin in ((broken, cured), (cured, broken)):
        made.declare(twin=twin.run)
        for step in range(steps):
            scalars, load = readings(step, healthy=made is cured)
            made.log({**scalars, DEAD: 0.0 if made is cured else step // 11}, load=load)
        made.end()
    return broken, cured


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (390, 844)])
def test_the_deciding_chart_stands_in_the_first_view(lab: Server, visitor: Callable[..., Page], width: int, height: int) -> None:
    broken, cured = collapsing(lab.data)
    page = visitor(f"{lab.address}/healthz")
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{lab.address}/run?run={broken.run},{cured.run}")
    card = page.locator(".st-key-card_dead_experts")
    card.locator(".main-svg").first.wait_for()
    plot = card.locator(".js-plotly-plot").bounding_box()
    assert plot is not None
    assert plot["y"] + plot["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    first = page.locator(".fl-chart").first.locator("xpath=ancestor::*[contains(@class, 'st-key-card_')][1]")
    assert "card_dead_experts" in (first.get_attribute("class") or "")


def test_a_press_on_a_sentence_zooms_all_charts_and_the_link_keeps_it(lab: Server, visitor: Callable[..., Page]) -> None:
    broken, cured = collapsing(lab.data)
    page = visitor(f"{lab.address}/run?run={broken.run},{cured.run}&x=time")
    page.locator(".st-key-card_dead_experts .main-svg").first.wait_for()
    page.get_by_role("button", name="1 earlier").press("Enter")
    page.get_by_role("button", name="Step 99: 9 experts").press("Enter")  # step 99 is the first with 9, above 8
    for heading in ("Dead experts", "Loss"):
        node = chart(page, heading)
        until(page, "node => Math.abs(node._fullLayout.xaxis.range[0] - 39) < 1e-6", node)
        assert ranges(node)["x"] == [39, 159]
    assert parse_qs(urlparse(page.url).query)["zoom"] == ["39,159"]
    shapes = page.locator(".st-key-card_dead_experts .js-plotly-plot").evaluate("node => node.layout.annotations.map(a => a.text)")
    assert shapes == ["step 99"]
