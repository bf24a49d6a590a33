"""Posters in a browser: text before the charts' library, a picture for everyone, one column on a phone, a ladder started whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts_on_page import press_card, until
from tests.browser.conftest import Server

pytestmark = pytest.mark.browser


WATCH = """new MutationObserver(() => {
  const card = document.querySelector('.fl-poster svg');
  if (card && card.getBoundingClientRect().height > 40) window.readable ??= performance.now();
}).observe(document, {childList: true, subtree: true});"""
FETCHED = "() => performance.getEntriesByType('resource').find(one => /plotly[^/]*[.]js/.test(one.name))?.startTime"


def test_the_first_card_is_readable_before_the_library_of_the_charts_is_fetched(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{lab.address}/machine")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.add_init_script(WATCH)
    page.goto(lab.address)
    expect(page.get_by_text("most experts of each layer soon get next to no bytes").first).to_be_visible(timeout=120_000)
    expect(page.get_by_role("img", name="Dead experts in the second layer").first).to_be_visible()
    page.wait_for_function(FETCHED, timeout=120_000)
    assert page.evaluate("() => window.readable") < page.evaluate(FETCHED)


def test_a_poster_has_two_colours_in_both_themes_and_the_broken_run_is_dotted(lab: Server, visitor: Callable[..., Page]) -> None:
    colours = []
    for theme in ("light", "dark"):
        page = visitor(lab.address, color_scheme=theme)
        page.locator(".fl-poster svg").first.wait_for(timeout=120_000)
        style = "(line, name) => getComputedStyle(line)[name]"
        broken, cured = (page.locator(f".fl-poster path.fl-{role}").first for role in ("broken", "cured"))
        assert broken.evaluate(style, "strokeDasharray") != "none", "as on the run page"
        assert cured.evaluate(style, "strokeDasharray") == "none"
        colours += [broken.evaluate(style, "stroke"), cured.evaluate(style, "stroke")]
    assert len(set(colours)) == 4, colours


def test_the_buttons_of_the_showcases_stand_in_the_first_view_of_a_projector(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{lab.address}/healthz")
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto(lab.address)
    page.locator(".fl-stills img").nth(5).wait_for(timeout=120_000)
    for preset in ("moe_collapse", "moe_lr_burst", "unet_skips"):
        box = page.locator(f".st-key-cure_{preset}").get_by_role("button").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 768, preset


def test_the_small_schematics_of_a_card_are_fetched_and_drawn(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(lab.address)
    drawn = page.locator(".fl-stills img")
    drawn.first.wait_for(timeout=120_000)
    for picture in drawn.all()[:6]:
        picture.scroll_into_view_if_needed()
        until(page, "node => node.complete && node.naturalWidth > 0", picture)
        assert picture.get_attribute("alt")


def test_on_a_phone_the_cards_are_one_column(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(lab.address)
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(".fl-poster svg").nth(5).wait_for(timeout=120_000)
    boxes = page.locator(".fl-poster").evaluate_all("all => all.slice(0, 6).map(one => one.getBoundingClientRect().left)")
    assert max(boxes) - min(boxes) < 2
    page.wait_for_function("() => document.querySelector('[data-testid=stMain]')?.scrollWidth <= 390")


def test_a_ladder_opens_the_page_of_all_its_arms(cold: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(cold.start().address)
    press_card(page, "arms", "moe_sharper_plan").click(timeout=120_000)
    page.wait_for_url("**/run?run=*")
    runs = page.url.partition("run=")[2].partition("&")[0].replace("%2C", ",").split(",")
    assert len(runs) == 3
    page.get_by_role("button", name="Stop all").click()
