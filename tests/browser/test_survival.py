"""From the browser's side: runs start at once from a warm fork server, a killed server comes back without a reload."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.index.open_run import open_run
from engine.runs.ending import ENDED
from engine.runs.folder import all_runs
from tests.browser.charts_on_page import chart, press_card, until
from tests.browser.conftest import Server
from tests.browser.test_jobs import ENDLESS, badge, launched, moving, points, press
from tests.support.entering import let_in
from tests.support.toy import until as soon

pytestmark = pytest.mark.browser

STEPS = re.compile(r"^step [\d,]+ of")
LONGER = "(node, least) => (node.data?.find(t => t.meta?.kind === 'line')?.x ?? []).length >= least"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Server]:
    """A server of this test alone, whose workers do not outlive the test."""
    server = Server(tmp_path / "data")
    yield server.start()
    server.stop()
    for folder in all_runs(server.data):
        process = folder.process()
        if folder.status() not in ENDED and process is not None and process.pid != os.getpid():
            os.kill(process.pid, signal.SIGKILL)


def test_one_press_from_a_warm_lab_shows_a_moving_curve_within_twenty_seconds(lab: Server, visitor: Callable[..., Page]) -> None:
    """Feature F1 in its own words; the 20 s are a limit for the wait, which ends as soon as the curve is there."""
    page = visitor(f"{lab.address}/machine")
    expect(page.get_by_text("runs start at once").or_(page.get_by_text("a run starts at once"))).to_be_visible(timeout=120_000)
    page.goto(lab.address)
    first = press_card(page)
    expect(first).to_be_visible(timeout=120_000)
    page.set_default_timeout(20_000)
    first.click()
    page.wait_for_url("**/run?run=*")
    node = chart(page, "Loss")
    until(page, LONGER, node, 20)
    until(page, LONGER, node, points(node) + 5)
    page.get_by_role("button", name="Stop").first.click()
    badge(page, "stopped")


def test_a_killed_server_comes_back_under_an_open_page_and_no_step_is_missing(alone: Server, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})  # its console rightly complains while the server is gone
    let_in(context, alone.address)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page, folder = launched(lambda address: (page.goto(address), page)[1], alone, ENDLESS)
    node = moving(page)
    page.evaluate("window.neverReloaded = true")
    worker = folder.process()
    assert alone.process is not None
    alone.process.send_signal(signal.SIGKILL)
    alone.process.wait()
    frozen = page.get_by_text(STEPS).first.inner_text()
    done = folder.state()["step"]
    soon(lambda: folder.state()["step"] > done)
    assert folder.status() == "running", "the training knows nothing of it"
    alone.start()
    until(page, LONGER, node, points(node) + 10)
    assert page.evaluate("window.neverReloaded === true")
    assert folder.process() == worker
    expect(page.get_by_text(STEPS).first).not_to_have_text(frozen)  # the new server has made the page: before that it hears no press
    badge(page, "running")
    press(page, "Stop")
    badge(page, "stopped")
    frame = open_run(folder.path)
    steps = frame.filter(frame["metric"] == "loss/train")["step"].to_list()
    assert steps == list(range(len(steps)))
    drawn = node.evaluate("node => Array.from(node.data.find(t => t.meta?.kind === 'line').x)")
    assert len(drawn) == len(set(drawn)), "no point is drawn twice"
    context.close()
