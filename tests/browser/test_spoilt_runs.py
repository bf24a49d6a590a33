"""Runs whose folder is spoilt stand beside a healthy one: the reason is read, the healthy one is drawn whole, and they can be deleted."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts_on_page import chart, kind, until
from tests.browser.conftest import Server
from tests.pages.test_pages_odd_runs import SPOILT
from tests.support.made_runs import MadeRun, finished_run, readings

pytestmark = pytest.mark.browser

HOWS = ("half a declaration", "a newer declaration", "a folder that is a link")
DRAWN = "(node, last) => Math.max(...node.data.filter(t => t.meta?.kind === 'line').flatMap(t => Array.from(t.x))) >= last"


@pytest.mark.parametrize("how", HOWS)
def test_a_spoilt_run_is_told_beside_a_healthy_one_that_is_drawn_whole(lab: Server, visitor: Callable[..., Page], how: str) -> None:
    healthy = MadeRun(lab.data, steps=1000, began=time.time()).declare()
    healthy.log(*readings(0, healthy=True)[:1])
    bad = finished_run(lab.data, steps=20)
    spoil, sentence = SPOILT[how]
    spoil(bad.folder.path)

    page = visitor(f"{lab.address}/run?run={bad.run},{healthy.run}")
    expect(page.get_by_text(sentence).first).to_be_visible()
    node = chart(page, "Loss")
    for step in range(1, 30):
        healthy.log(*readings(step, healthy=True)[:1])
    healthy.tick()
    until(page, DRAWN, node, 29)
    assert [t["name"] for t in kind(node, "line") if t["x"]], "the healthy run has its line"
    healthy.end()
    expect(page.get_by_text("finished").first).to_be_visible()

    page.goto(f"{lab.address}/run?run={bad.run}")
    expect(page.get_by_text(sentence).first).to_be_visible()
    page.get_by_role("button", name="Delete").first.click()
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/runs*")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert not bad.folder.path.exists()
    assert not bad.folder.path.is_symlink()
    page.goto(f"{lab.address}/run?run={healthy.run}")
    assert len(kind(chart(page, "Loss"), "line")[0]["x"]) == 30
    assert "Traceback" not in lab.log()
