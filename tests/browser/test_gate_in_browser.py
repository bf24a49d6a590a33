"""The gate as a browser meets it: the page that takes the token, and a page of somebody else that reaches for the lab."""

from __future__ import annotations

import base64
import http.client
import secrets
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.charts_on_page import chart
from tests.browser.conftest import PATIENCE, Server
from tests.support.entering import TOKEN, cookie, let_in
from tests.support.made_runs import finished_run

pytestmark = pytest.mark.browser

# From a page elsewhere, with the person's cookie: a socket, a stream, a script.
REACH = """async address => {
  const socket = await new Promise(done => { const one = new WebSocket(address.replace('http', 'ws') + '/_stcore/stream', 'streamlit');
    one.onopen = () => done('open'); one.onerror = () => done('refused'); });
  const stream = await new Promise(done => { const one = new EventSource(address + '/live?run=x', {withCredentials: true});
    one.onopen = () => done('open'); one.onerror = () => done('refused'); });
  const script = await new Promise(done => { const one = document.createElement('script'); one.onload = () => done('open');
    one.onerror = () => done('refused'); one.src = address + '/plotly.js'; document.head.append(one); });
  return {socket, stream, script};
}"""


@pytest.fixture
def stranger(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that may complain on its console."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


def test_a_person_without_the_link_is_asked_for_the_token_once(lab: Server, stranger: BrowserContext) -> None:
    made = finished_run(lab.data, steps=20)
    page = stranger.new_page()
    page.goto(f"{lab.address}/run?run={made.run}&axis=linear")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert [one["id"] for one in Axe().run(page).response["violations"]] == []
    page.get_by_label("Token").fill("something else")
    page.get_by_role("button", name="Open the lab").click()
    expect(page.get_by_text("That is not the token of this lab.")).to_be_visible()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Open the lab").click()
    chart(page, "Loss")
    assert "token" not in page.url
    assert made.run in page.url
    expect(page.get_by_role("radio", name="linear")).to_be_checked()
    page.goto(lab.address)
    expect(page.get_by_role("heading", name="Break a training")).to_be_visible()


@pytest.mark.parametrize("elsewhere", ["http://evil.example", "http://127.0.0.1:1"])
def test_a_page_elsewhere_reaches_nothing_with_the_cookie_of_the_person(lab: Server, stranger: BrowserContext, elsewhere: str) -> None:
    let_in(stranger, lab.address)
    page = stranger.new_page()
    page.route(f"{elsewhere}/**", lambda route: route.fulfill(body=f'<iframe src="{lab.address}"></iframe>', content_type="text/html"))
    page.goto(f"{elsewhere}/")
    assert set(page.evaluate(REACH, lab.address).values()) == {"refused"}
    expect(page.frame_locator("iframe").get_by_role("heading", name="Break a training")).to_have_count(0)
    page.evaluate("address => { location.href = address; }", lab.address)  # a link is no attack
    expect(page.get_by_role("heading", name="Break a training")).to_be_visible()


def test_the_socket_of_the_pages_opens_for_a_known_browser_only(lab: Server) -> None:
    known = cookie(lab.port)
    found = []
    for headers in ({}, {"Cookie": f"{known['name']}={known['value']}"}):
        connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        connection.request("GET", "/_stcore/stream", headers={**headers, **upgrade, "Sec-WebSocket-Key": key})
        found.append(connection.getresponse().status)
        connection.close()
    assert found == [401, 101]
