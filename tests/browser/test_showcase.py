"""From a cold start to seeing why: one press, and the schematic moves beside the chart that decides."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts_on_page import press_card, until
from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

IN_VIEW = """(node, share) => { const box = node.getBoundingClientRect(), foot = document.querySelector('.fl-scrubber')?.offsetHeight;
  return foot > 0 && box.width > 0 && box.top >= 0 && box.top + share * box.height <= innerHeight - foot; }"""


@pytest.mark.parametrize(("width", "height", "share"), [(1366, 768, 0.8), (390, 844, 0.6)])  # of the chart, which two heads push down
def test_one_press_on_a_showcase_shows_the_deciding_chart_and_a_schematic_that_moves(
    cold: Server, visitor: Callable[..., Page], width: int, height: int, share: float
) -> None:
    page = visitor(cold.start().address)
    page.set_viewport_size({"width": width, "height": height})
    press_card(page, "cure").click(timeout=120_000)
    page.wait_for_url("**/run?run=*")
    deciding = page.locator(".st-key-deciding .fl-chart").first
    until(page, IN_VIEW, deciding, share)
    figures = page.locator(".fl-schematics figure")
    expect(figures).to_have_count(2)
    moved = "node => +node.dataset.step >= 3"
    until(page, moved, figures.first)
    radii = "node => [...node.querySelectorAll('circle[data-drive]')].map(circle => circle.getAttribute('r')).join()"
    seen = figures.first.evaluate(radii)
    until(page, f"(node, seen) => ({radii})(node) !== seen", figures.first, seen)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing lies beside the screen"
    page.get_by_role("button", name="Stop all").click()
