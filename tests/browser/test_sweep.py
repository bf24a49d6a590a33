"""A grid in the form: what it comes to stands there before launch, one press queues it, and its runs end as one group (F10)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from engine.runs.ending import ENDED
from engine.runs.sweep_file import read_sweep, sweep_ids
from engine.scheduler.queue import QueueOrder
from engine.scheduler.sweep_control import statuses
from tests.browser.conftest import Server
from tests.browser.test_jobs import ENDLESS, TINY, launched, press
from tests.support.toy import until as soon

pytestmark = pytest.mark.browser
LONG = 120_000  # milliseconds; four trainings


def form(visitor: Callable[..., Page], lab: Server, knobs: str, **varied: str) -> Page:
    """The form of moe's preset collapse with two seeds and these knobs varied, each with values as one types them."""
    page = visitor(f"{lab.address}/build?lab=moe&preset=collapse&knobs={quote(knobs)}")
    page.get_by_text("Sweep: vary knobs and seeds").click(timeout=LONG)
    for name in varied:
        page.get_by_role("combobox", name="Vary").fill(name)
        page.get_by_role("option", name=name, exact=True).click()
        page.keyboard.press("Escape")
        expect(page.get_by_role("textbox", name=f"Values of {name}")).to_be_visible()
    for name, typed in varied.items():
        values = page.get_by_role("textbox", name=f"Values of {name}")
        values.fill(typed)
        values.press("Enter")
        expect(page.get_by_text(f"{name}={typed}").first).to_be_visible()
    seeds = page.get_by_role("spinbutton", name="× seeds")
    seeds.fill("2")
    seeds.press("Enter")
    return page


def test_a_grid_is_seen_before_it_is_launched_and_its_runs_stand_together(lab: Server, visitor: Callable[..., Page]) -> None:
    before = set(sweep_ids(lab.data))
    page = form(visitor, lab, f"steps=3 device=cpu {TINY}", lr="1e-3,1e-2")
    expect(page.get_by_text(re.compile(r"^(timer)?\s*4 runs, .*at a time\."))).to_be_visible()
    expect(page.get_by_text("lr=1e-3,1e-2 seed=0..1")).to_be_visible()
    press(page, "Launch 4 runs")
    page.wait_for_url("**/runs?*sweep=*")
    expect(page.get_by_text("4 of 4 ended: 4 finished")).to_be_visible(timeout=LONG)
    (sweep,) = (read_sweep(lab.data, name) for name in sweep_ids(lab.data) if name not in before)
    assert sweep.id in page.url
    assert list(statuses(lab.data, sweep).values()) == ["finished"] * 4
    press(page, "Delete sweep")
    press(page, "Delete it with 4 runs")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("sweep="))
    assert sweep.id not in sweep_ids(lab.data)


def test_eighteen_runs_are_counted_and_timed_before_launch_and_their_order_is_changed(lab: Server, visitor: Callable[..., Page]) -> None:
    _, measured = launched(visitor, lab, f"steps=3 device=cpu {TINY}")  # of the same size: it tells how long a step takes
    soon(lambda: measured.status() in ENDED)
    assert measured.state()["step_seconds"]
    before = set(sweep_ids(lab.data))
    page = form(visitor, lab, f"{ENDLESS} device=cpu", lr="1e-4,1e-3,1e-2", clip="0.5,1,2")
    expect(page.get_by_text(re.compile(r"18 runs, about [\d.]+ (s|min|h), \d+ at a time\."))).to_be_visible()
    press(page, "Launch 18 runs")
    page.wait_for_url("**/runs?*sweep=*")
    (sweep,) = (read_sweep(lab.data, name) for name in sweep_ids(lab.data) if name not in before)
    try:
        expect(page.get_by_text(re.compile(r"0 of 18 ended: \d+ queued"))).to_be_visible(timeout=LONG)
        assert len(statuses(lab.data, sweep)) == 18
        order = QueueOrder(lab.data)
        soon(lambda: any(status == "running" for status in statuses(lab.data, sweep).values()))
        order_before = [folder.run for folder in order.waiting()]
        last = order_before[-1]
        page = visitor(f"{lab.address}/machine")
        page.locator(f".st-key-up_{last} button").click()
        expected = [*order_before[:-2], last, order_before[-2]]
        soon(lambda: [folder.run for folder in order.waiting()] == expected)
        rows = page.locator("[class*='st-key-up_']")
        shown = "rows => rows.slice(-2).map(row => [...row.classList].find(name => name.startsWith('st-key-up_')).slice(10))"
        soon(lambda: rows.evaluate_all(shown) == expected[-2:])
    finally:
        page = visitor(f"{lab.address}/runs?sweep={sweep.id}")
        press(page, "Stop all")
        soon(lambda: all(status in ENDED for status in statuses(lab.data, sweep).values()))
