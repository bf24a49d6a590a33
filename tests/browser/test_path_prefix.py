"""Behind a path prefix, of the server or of a proxy, charts are drawn and grow; what does not answer is told in the chart's place."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.charts_on_page import chart, until
from tests.browser.conftest import PATIENCE, Server
from tests.browser.test_survival import LONGER
from tests.support.entering import TOKEN, let_in
from tests.support.made_runs import MadeRun, readings
from tests.support.stripping_proxy import StrippingProxy

pytestmark = pytest.mark.browser

POINTS = 20


@pytest.fixture
def prefixed(tmp_path: Path) -> Iterator[str]:
    server = Server(tmp_path / "data", prefix="/class/lab")
    yield server.start().address
    server.stop()


@pytest.fixture
def stripped(tmp_path: Path) -> Iterator[str]:
    server = Server(tmp_path / "data").start()
    with StrippingProxy(server.port) as proxy:
        yield proxy.address
    server.stop()


def living(data: Path) -> MadeRun:
    made = MadeRun(data).declare()
    more(made)
    return made


def more(made: MadeRun) -> None:
    for _ in range(POINTS):
        scalars, load = readings(made.step, healthy=True)
        made.log(scalars, load=load)
    made.tick()


@pytest.mark.parametrize("kind", ["prefixed", "stripped"])
def test_charts_are_drawn_and_grow_behind_a_prefix(kind: str, request: pytest.FixtureRequest, tmp_path: Path, browser: Browser) -> None:
    address = request.getfixturevalue(kind)
    made = living(tmp_path / "data")
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/run?run={made.run}&token={TOKEN}")
    node = chart(page, "Loss")
    until(page, LONGER, node, POINTS)
    more(made)
    until(page, LONGER, node, 2 * POINTS)
    page.get_by_role("link", name="Gallery").first.click()
    expect(page.get_by_role("heading", name="Break a training")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("() => location.pathname").rstrip("/") == "/class/lab"
    until(page, "node => node.complete && node.naturalWidth > 0", page.locator(".fl-stills img").first)
    page.goto(f"{address}/lab?lab=moe")  # a panel's chart, without a run
    expect(page.locator(".fl-chart .main-svg").first).to_be_visible(timeout=120_000)
    page.goto(f"{address}/topology")  # what a browser posts arrives too
    expect(page.locator(".fl-numbers b").first).to_have_text("882", timeout=120_000)
    with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
        assert answer.headers["content-type"] == "application/json"
    page.context.close()
    made.end("stopped")


def html(route: Route) -> None:
    """What a server answers below a prefix that it does not know."""
    route.fulfill(status=200, content_type="text/html", body="<!doctype html><title>Faultline</title>")


def nobody(route: Route) -> None:
    route.abort()


def full(route: Route) -> None:
    route.fulfill(status=503, content_type="application/json", body='{"error": "The server has 400 open streams and allows no more."}')


SLOW = pytest.mark.slow
TROUBLES = [
    ("**/plotly.js", html, "/plotly.js did not answer with the charts' library"),
    ("**/snapshot?*", html, "/snapshot answered with text/html"),
    ("**/live?*", full, "The server has 400 open streams and allows no more."),
    pytest.param("**/plotly.js", nobody, "/plotly.js cannot be reached", marks=SLOW),
    pytest.param("**/snapshot?*", nobody, "The server does not answer", marks=SLOW),
    pytest.param("**/live?*", html, "/live answered with text/html", marks=SLOW),
    pytest.param("**/live?*", nobody, "The server does not answer", marks=SLOW),
]


@pytest.fixture(scope="module")
def growing_run(lab: Server) -> Iterator[MadeRun]:
    made = living(lab.data)
    yield made
    made.end("stopped")


@pytest.mark.parametrize(("address", "answer", "sentence"), TROUBLES)
def test_what_does_not_answer_is_told_in_the_charts_place_until_it_does(
    address: str, answer: Callable[[Route], None], sentence: str, lab: Server, growing_run: MadeRun, browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    let_in(context, lab.address)
    page: Page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.route(address, answer)
    page.goto(f"{lab.address}/run?run={growing_run.run}")
    place = page.locator(".fl-chart").first
    expect(place).to_contain_text(sentence, timeout=PATIENCE)
    if "/live" in address:  # without a stream the chart is drawn all the same, and goes on by snapshots
        node = chart(page, "Loss")
        seen = growing_run.step
        until(page, LONGER, node, seen)
        more(growing_run)
        until(page, LONGER, node, growing_run.step)
    page.unroute(address)
    node = chart(page, "Loss")
    until(page, LONGER, node, growing_run.step)
    expect(place).not_to_contain_text(sentence, timeout=PATIENCE)
    page.context.close()
