"""What is printed says nothing false: charts that nobody has scrolled to are drawn for the paper, and no card is cut by a sheet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts_on_page import until
from tests.browser.conftest import Server
from tests.support.made_runs import finished_twins

pytestmark = pytest.mark.browser

FETCHED = "() => [...globalThis.faultlineHub.charts].filter(c => c.empty && !c.spec.redraw && !c.empty()).length > 3"
WAITING = "boxes => boxes.filter(box => !box.querySelector('.main-svg')).length"
WORDS = "places => places.filter(place => !place.hidden).map(place => place.textContent).filter(Boolean)"
BREAKS = "cards => cards.filter(card => getComputedStyle(card).breakInside !== 'avoid').length"
UNDRAWN = "boxes => boxes.filter(box => !box.querySelector('.main-svg') && !box.querySelector('.fl-waits').textContent).length"


def test_a_chart_that_nobody_has_scrolled_to_claims_nothing_and_is_drawn_when_the_page_is_printed(
    lab: Server, visitor: Callable[..., Page]
) -> None:
    runs = ",".join(made.run for made in finished_twins(lab.data, steps=40))
    page = visitor(f"{lab.address}/run?run={runs}")
    page.set_viewport_size({"width": 1366, "height": 700})
    page.locator(".fl-chart .main-svg").first.wait_for(state="attached")
    until(page, FETCHED)
    places = page.locator(".fl-waits")
    assert page.locator(".fl-chart").evaluate_all(WAITING) > 0, "some chart lies below the window"
    assert "No point in the visible range" not in places.evaluate_all(WORDS)
    page.pdf(format="A4")
    until(page, f"() => ({UNDRAWN})([...document.querySelectorAll('.fl-chart')]) === 0")
    page.emulate_media(media="print")
    assert page.locator("[class*=st-key-card_]").evaluate_all(BREAKS) == 0
    expect(page.get_by_role("button", name="Delete").first).to_be_hidden()
    expect(page.locator("[class*=st-key-verdict_] button").first).to_be_visible()
