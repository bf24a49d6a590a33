"""Browsers allow six connections to one address: a page holds one stream, and leaves none behind."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts_on_page import chart, until
from tests.browser.conftest import Server
from tests.browser.test_survival import LONGER, alone  # noqa: F401
from tests.support.made_runs import MadeRun, readings
from tests.support.toy import until as soon

pytestmark = pytest.mark.browser

POINTS, TABS = 30, 6


def streams(server: Server) -> int:
    with urllib.request.urlopen(f"{server.address}/healthz", timeout=10) as answer:
        return int(json.load(answer)["streams"])


def visibility(page: Page, *, hidden: bool) -> None:
    """What a browser tells a tab that goes to the back or comes to the front; without a screen every tab counts as visible."""
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_ten_page_switches_leave_one_open_stream_and_six_tabs_load(alone: Server, visitor: Callable[..., Page]) -> None:  # noqa: F811
    made = MadeRun(alone.data).declare()
    for step in range(POINTS):
        scalars, load = readings(step, healthy=True)
        made.log(scalars, load=load)
    made.tick()
    page = visitor(f"{alone.address}/run?run={made.run}")
    chart(page, "Loss")
    soon(lambda: streams(alone) == 1)
    for _ in range(5):  # there and back: ten switches without a reload
        page.get_by_role("link", name="Machine").first.click()
        expect(page.get_by_role("heading", name="In the slots")).to_be_visible()
        page.go_back(wait_until="commit")
        chart(page, "Loss")
    soon(lambda: streams(alone) == 1)
    visibility(page, hidden=True)
    soon(lambda: streams(alone) == 0)
    tabs = []
    for _ in range(TABS):
        tab = page.context.new_page()
        tab.goto(f"{alone.address}/run?run={made.run}")
        until(tab, LONGER, chart(tab, "Loss"), POINTS)
        visibility(tab, hidden=True)
        tabs.append(tab)
    soon(lambda: streams(alone) == 0)
    visibility(tabs[2], hidden=False)
    soon(lambda: streams(alone) == 1)
    made.end("stopped")
