"""From a cold start to seeing why: posters, one press, and the moving schematic beside the chart that decides."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.charts_on_page import press_card, until
from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

IN_VIEW = """node => { const box = node.getBoundingClientRect();
  return box.width > 0 && box.top >= 0 && box.top + 0.8 * box.height <= innerHeight; }"""


def test_the_first_poster_is_readable_before_the_charts_library_is_asked_for(cold: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(cold.start().address)
    asked: list[str] = []

    def hold(route: Route) -> None:
        asked.append(page.locator(".st-key-card_moe_collapse img").first.get_attribute("alt") or "" if poster.count() else "")
        route.continue_()

    poster = page.locator(".st-key-card_moe_collapse img")
    page.route("**/plotly.js", hold)
    page.reload()
    expect(page.get_by_role("heading", name="Start here")).to_be_visible(timeout=120_000)
    expect(poster).to_have_attribute("alt", re.compile("recorded with 8 seeds. broken: ends at .*; cured: ends at 0"))
    until(page, "() => !!globalThis.Plotly")
    assert asked
    assert all("recorded with" in words for words in asked), "the poster stood there when the library was asked for"


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (390, 844)])
def test_one_press_on_a_showcase_shows_the_deciding_chart_and_a_schematic_that_moves(
    cold: Server, visitor: Callable[..., Page], width: int, height: int
) -> None:
    page = visitor(cold.start().address)
    page.set_viewport_size({"width": width, "height": height})
    press_card(page, "cure").click(timeout=120_000)
    page.wait_for_url("**/run?run=*")
    deciding = page.locator(".st-key-deciding .fl-chart").first
    until(page, IN_VIEW, deciding)
    figures = page.locator(".fl-schematics figure")
    expect(figures).to_have_count(2)
    moved = "node => +node.dataset.step >= 3"
    until(page, moved, figures.first)
    radii = "node => [...node.querySelectorAll('circle[data-drive]')].map(circle => circle.getAttribute('r')).join()"
    seen = figures.first.evaluate(radii)
    until(page, f"(node, seen) => ({radii})(node) !== seen", figures.first, seen)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing lies beside the screen"
    page.get_by_role("button", name="Stop all").click()


def test_a_ladder_opens_with_all_its_arms(cold: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{cold.start().address}/?q=sharper")
    page.locator(".st-key-arms_moe_sharper_plan").get_by_role("button").click(timeout=120_000)
    page.wait_for_url("**/run?run=*")
    runs = page.url.partition("run=")[2].partition("&")[0].replace("%2C", ",").split(",")
    assert len(runs) == 3
    for label in ("temperature=1", "temperature=0.1", "temperature=0.03"):
        expect(page.get_by_text(re.compile(re.escape(label))).first).to_be_visible()
    page.get_by_role("button", name="Stop all").click()
