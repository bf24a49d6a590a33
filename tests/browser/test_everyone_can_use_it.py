"""Every page in both themes passes axe, fits a narrow screen, and can be worked from the keyboard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.charts_on_page import chart
from tests.browser.conftest import Server
from tests.support.made_runs import finished_twins

pytestmark = pytest.mark.browser

PAGES = {
    "": "Break it and cure it",
    "build?lab=moe&preset=collapse&knobs=lr%3D7%20steps%3Dmany": "Launch",
    "runs": "Delete",
    "machine": "",
    "lab?lab=moe": "Break it",
    "cuda": "",
    "topology?graph=barbell&edits=%2B0-21": "Train both",
    "run?run={runs}": "More",
    "compare?run={runs}": "4 more seeds",
}


# What is computed again each second fades while a busy server takes its time; contrast is judged when it has answered.
SETTLED = "[data-stale] { opacity: 1 !important; transition: none !important; }"


def opened(page: Page, lab: Server, path: str, runs: str) -> None:
    """The page with everything on it: its last button is there, and a chart where it has one."""
    page.goto(f"{lab.address}/{path.format(runs=runs)}")
    page.add_style_tag(content=SETTLED)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if PAGES[path]:
        page.get_by_role("button", name=PAGES[path]).first.wait_for(timeout=120_000)
    if path == "machine":
        expect(page.get_by_role("cell", name="chromium", exact=True)).to_be_visible()
    if path.startswith("topology"):
        page.wait_for_function("() => document.querySelector('.fl-numbers b') && !document.querySelector('.fl-old')")
        page.locator("summary", has_text="Edges as a list").click()
    if path.startswith("compare?"):
        page.get_by_role("heading", name="What may be said").wait_for()
        chart(page, "Final values")
    if path.startswith("run?"):
        page.get_by_role("heading", name="Loss").first.scroll_into_view_if_needed()
        chart(page, "Loss")
    page.wait_for_function("() => !document.querySelector('[data-stale=true], [data-testid=stSkeleton]')")
    page.wait_for_function("() => !document.getAnimations().some(one => one instanceof CSSTransition)")  # what was stale fades in


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_violation(theme: str, lab: Server, visitor: Callable[..., Page]) -> None:
    runs = ",".join(made.run for made in finished_twins(lab.data, steps=30))
    page = visitor(lab.address, color_scheme=theme)
    found = []
    for path in PAGES:
        opened(page, lab, path, runs)
        for one in Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                where = [(node["html"][:160], [said["message"] for said in node["any"]]) for node in one["nodes"]]
                found.append(f"{theme} /{path}: {one['id']}: {where}")
    assert not found, "\n".join(found)


def test_a_narrow_screen_needs_no_sideways_scrolling(lab: Server, visitor: Callable[..., Page]) -> None:
    runs = ",".join(made.run for made in finished_twins(lab.data, steps=30))
    page = visitor(lab.address)
    page.set_viewport_size({"width": 390, "height": 844})
    for path in PAGES:
        opened(page, lab, path, runs)
        fits = "[document.documentElement, document.querySelector('[data-testid=stMain]')].every(e => e.scrollWidth <= 390)"
        page.wait_for_function(f"() => {fits}")  # a figure may be wider until it has been drawn for this screen


def test_the_form_is_filled_and_launched_from_the_keyboard(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{lab.address}/build?lab=moe&preset=collapse&knobs=steps%3D5")
    launch = page.get_by_role("button", name="Launch", exact=True)
    launch.wait_for(timeout=120_000)
    page.get_by_role("combobox", name="Start from the preset").focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        if launch.evaluate("button => button === document.activeElement"):
            break
    expect(launch).to_be_focused()
    launch.press("Enter")
    page.wait_for_url("**/run?run=*")
