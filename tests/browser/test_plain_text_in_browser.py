"""What Streamlit and plotly.js make of a run whose every text wants to be more: nothing."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from pages.parts.plain import JOINER
from tests.browser.charts_on_page import chart
from tests.browser.conftest import Server
from tests.support.hostile_text import HOSTILE, MANY, hostile_run

pytestmark = pytest.mark.browser

# What text alone never makes: links and pictures that lead outside, code that ran, an icon where a word was written.
MADE = """() => [...document.querySelectorAll('a, img, image, script, iframe')].filter(node =>
  /^[^#?]*(evil|javascript:)/i.test(node.getAttribute('href') ?? '') || /evil/i.test(node.getAttribute('src') ?? '')
  || /streamlit logo/i.test(node.alt ?? '') || (node.closest('svg.main-svg') && node.tagName === 'a')).map(node => node.outerHTML)"""
# The text of each cell, and what stands in it beside paragraphs.
CELLS = """() => [...document.querySelectorAll('[data-testid=stTable] td')].map(cell =>
  [cell.textContent, cell.querySelector('*:not(p, div, span[class=""])')?.outerHTML])"""


def test_a_run_that_carries_it_makes_no_link_no_picture_and_no_colour(lab: Server, visitor: Callable[..., Page]) -> None:
    made = hostile_run(lab.data)
    outside: list[str] = []
    page = visitor(f"{lab.address}/healthz")
    page.on("request", lambda request: outside.append(request.url) if "evil" in request.url.partition("?")[0].lower() else None)
    page.goto(f"{lab.address}/run?run={made.run}")
    chart(page, "Loss")
    assert page.evaluate(MADE) == []
    page.get_by_role("tab", name="Provenance").click()
    expect(page.get_by_role("cell", name="each picture")).to_be_visible()
    cells = page.evaluate(CELLS)
    assert [inner for _, inner in cells if inner] == []
    shown = {text.replace(JOINER, "").strip() for text, _ in cells}
    assert [what for what, text in HOSTILE.items() if text not in shown] == []
    assert page.evaluate(MADE) == []
    for path in (
        "",
        "runs",
        "machine",
        f"run?run={quote(MANY)}",
        f"lab?lab={quote(MANY)}",
        f"build?from={quote(MANY)}&knobs={quote(repr(MANY))}",
    ):
        page.goto(f"{lab.address}/{path}")
        expect(page.locator("h1").first).to_be_visible()
        page.wait_for_function("() => document.querySelector('[data-test-script-state=notRunning]')")
        assert page.evaluate(MADE) == []
    assert outside == []
