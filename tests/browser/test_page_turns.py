"""A page that the server turns to stays, whatever the timers of the page before it still ask for."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from tests.browser.conftest import PATIENCE, Server
from tests.support.entering import let_in
from tests.support.made_runs import finished_run

pytestmark = pytest.mark.browser


def test_a_timer_of_the_page_that_was_left_does_not_blank_the_new_one(lab: Server, browser: Browser) -> None:
    """The race is won by sending what a timer sends, again and again, until the browser hears of the new page."""
    made = finished_run(lab.data, steps=20)
    timers: list[bytes] = []
    servers: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        servers.append(server)

        def sent(message: str | bytes) -> None:
            if isinstance(message, bytes) and BackMsg.FromString(message).rerun_script.is_auto_rerun:
                timers.append(message)
            server.send(message)

        socket.on_message(sent)

    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(PATIENCE)
        let_in(context, lab.address)
        page = context.new_page()
        page.route_web_socket("**/_stcore/stream", between)
        page.goto(f"{lab.address}/run?run={made.run}")
        page.get_by_role("button", name="More").click()
        button = page.get_by_role("button", name="Duplicate")
        expect(button).to_be_visible()
        while not timers:
            page.wait_for_timeout(100)
        timer = timers[-1]
        button.click()
        late = 0
        while "/build" not in page.url:
            page.wait_for_timeout(50)
            servers[-1].send(timer)
            late += 1
        assert late > 1, "nothing was sent late: this proved nothing"
        field = page.get_by_role("textbox", name="lr: peak learning rate")
        expect(field).to_be_visible(timeout=PATIENCE)
        seen = len(timers)
        while len(timers) == seen:  # a timer of the new page: by then the late ones have been answered
            page.wait_for_timeout(100)
        expect(field).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_role("button", name="Launch", exact=True)).to_be_enabled()
