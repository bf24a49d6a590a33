"""On a small or touched screen nothing lies over anything: no row of icons beside a panel, no tools over tabs, no name broken in two."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.charts_on_page import chart, until
from tests.browser.conftest import Server
from tests.support.made_runs import finished_run, finished_twins

pytestmark = pytest.mark.browser

SMALL = {"width": 390, "height": 844}
OVERLAPS = """node => {
  const boxes = s => [...node.querySelectorAll(s)].map(e => e.getBoundingClientRect()).filter(b => b.width && b.height);
  const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const [plot] = boxes('.nsewdrag');
  const titles = boxes('.ytitle, .xtitle');
  return {
    legend: boxes('.legend').filter(b => over(b, plot)).length,
    title: titles.filter(t => [...boxes('.ytick text'), ...boxes('.xtick text'), plot].some(b => over(t, b))).length,
    shown: titles.length,
    panel: plot.height,
  };
}"""


@pytest.mark.parametrize("width", [390, 1366])
def test_legends_and_titles_lie_beside_the_panel_and_the_ticks(lab: Server, visitor: Callable[..., Page], width: int) -> None:
    runs = ",".join(made.run for made in finished_twins(lab.data, steps=40))
    page = visitor(f"{lab.address}/run?run={runs}")
    page.set_viewport_size({"width": width, "height": 900})
    for heading in ("Loss", "Who gets the tokens", "Dead experts", "Gradient norm"):
        node = chart(page, heading)
        until(page, "node => node.data.some(t => t.x?.length >= 40)", node)
        found = node.evaluate(OVERLAPS)
        assert (found["legend"], found["title"]) == (0, 0), f"{heading} at {width} px: {found}"
        assert found["shown"] >= 2
        assert found["panel"] > 60, f"{heading}: the legend has taken the panel"


def test_a_touched_screen_has_no_icons_beside_a_chart_and_no_tools_over_a_table(lab: Server, visitor: Callable[..., Page]) -> None:
    runs = ",".join(made.run for made in finished_twins(lab.data, steps=40))
    page = visitor(f"{lab.address}/run?run={runs}", has_touch=True, is_mobile=True)
    page.set_viewport_size(SMALL)
    node = chart(page, "Loss")
    until(page, "node => node.data[0].x.length === 40", node)
    assert node.locator(".modebar-btn").count() == 0
    page.goto(f"{lab.address}/runs")
    page.locator("[data-testid=stDataFrame]").wait_for()
    assert not page.locator("[data-testid=stElementToolbar]").filter(visible=True).count()


def test_the_name_of_a_knob_stands_in_one_line_on_a_small_screen(lab: Server, visitor: Callable[..., Page]) -> None:
    runs = ",".join(made.run for made in finished_twins(lab.data, steps=10))
    page = visitor(f"{lab.address}/run?run={runs}")
    page.set_viewport_size(SMALL)
    name = page.locator("td code", has_text="router.balance_weight").first
    name.scroll_into_view_if_needed()
    assert name.evaluate("code => code.getClientRects().length") == 1


def test_the_title_of_a_run_does_not_reach_into_what_stands_below_it(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{lab.address}/run?run={finished_run(lab.data).run}")
    page.set_viewport_size(SMALL)
    title = page.locator(".st-key-run_head h1")
    title.wait_for()
    below = title.evaluate(
        """node => { const range = document.createRange(), head = node.closest('.st-key-run_head');
             range.selectNodeContents(node.querySelector('span'));
             const box = node.closest('[data-testid=stElementContainer]').getBoundingClientRect();
             return range.getBoundingClientRect().bottom - box.bottom - parseFloat(getComputedStyle(head).rowGap); }"""
    )
    assert below <= 0, f"{below} px of the title lie on what comes after it"
