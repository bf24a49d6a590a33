"""/panel: a browser asks a panel, and gets what the service answers, or one sentence."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from engine.labs.panel import Frames
from engine.scheduler.local import Local
from engine.server.panels import PanelAnswers
from engine.server.routes import routes
from tests.support.own_loop import run

KNOB = {"default": 1, "min": 1, "max": 5, "choices": [], "unit": ""}
KNOBS = [{**KNOB, "name": "k", "kind": "int"}, {**KNOB, "name": "words", "kind": "str", "default": ""}]


class ServiceOfPanels:
    """As much of a service as the route asks for: one panel that breaks at 3 and is not finite at 4."""

    def __init__(self) -> None:
        self.answers = PanelAnswers(Local(), self.compute)

    def compute(self, _name: str, knobs: dict[str, Any]) -> dict[str, Any]:
        if knobs["k"] == 3:
            return {"says": "There is no teacher yet; train it first.", "trace": ""}
        return {"frames": {"frame": {"x": [knobs["k"], knobs["words"]], "y": ["NaN" if knobs["k"] == 4 else 0.5, None]}}}

    def panel(self, name: str, given: Mapping[str, Any]) -> Frames:
        return self.answers.frames({"labs": [{"panels": [{"name": "odd", "knobs": KNOBS}]}]}, name, given)


ROUTE = next(route for route in routes(ServiceOfPanels) if route.path == "/panel")


def posted(body: bytes) -> tuple[int, dict[str, Any]]:
    """The body arrives in two parts."""
    parts = [{"type": "http.request", "body": part, "more_body": more} for part, more in ((body[:9], True), (body[9:], False))]

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    answer = run(ROUTE.endpoint(request))
    return answer.status_code, json.loads(answer.body)


def test_a_panel_is_answered_as_the_service_answers_it() -> None:
    assert posted(b'{"panel": "odd", "knobs": {"k": 2}}') == (200, {"frames": {"frame": {"x": [2, ""], "y": [0.5, None]}}})
    assert posted(b'{"panel": "odd", "knobs": {"k": "4"}}')[1]["frames"]["frame"]["y"] == ["NaN", None]
    assert math.isnan(ServiceOfPanels().panel("odd", {"k": 4})["frame"]["y"][0])


def test_what_a_panel_cannot_compute_is_its_answer() -> None:
    assert posted(b'{"panel": "odd", "knobs": {"k": 3}}') == (
        200,
        {"says": "There is no teacher yet; train it first.", "unanswered": False},
    )


def test_an_address_that_is_only_visited_computes_nothing() -> None:
    assert ROUTE.methods == {"POST"}


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b'{"panel": "odd", "knobs": {"k": 9}}', "k=9 is out of bounds"),
        (b'{"panel": "odd", "knobs": {"j": 3}}', 'No knob of odd "j"'),
        (b'{"panel": "even", "knobs": {}}', 'No panel "even"'),
        (b'{"panel": "odd", "knobs": {"words": "%s"}}' % (b"w" * 17_000), "at most 16,384 are allowed"),
        (b'{"panel": "odd", "knobs": {"words": "%s"}}' % (b"w" * 40_000), "/panel received more than 32,768 bytes"),
        (b'{"panel": "odd"', "/panel received no question"),
        (b'{"panel": "odd", "knobs": 7}', "/panel received no question"),
        (b"[" * 30_000, "/panel received no question"),
        (b"\xff", "/panel received no question"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_question_that_cannot_be_asked_is_one_sentence(body: bytes, part: str) -> None:
    status, told = posted(body)
    assert status == 400
    assert part in told["error"]
    assert "\n" not in told["error"]


def test_text_that_no_encoding_but_ascii_can_carry_goes_there_and_back() -> None:
    """Half of a pair ended the answer in a traceback and the status 500."""
    assert posted(b'{"panel": "odd", "knobs": {"k": 2, "words": "\\ud800"}}') == (
        200,
        {"frames": {"frame": {"x": [2, "\ud800"], "y": [0.5, None]}}},
    )
    status, told = posted(b'{"panel": "odd", "knobs": {"\\udfff": 3}}')
    assert (status, "\udfff" in told["error"]) == (400, True)


def test_a_refusal_does_not_repeat_all_that_was_sent() -> None:
    status, told = posted(b'{"panel": "odd", "knobs": {"k": "%s"}}' % (b"w" * 15_000))
    assert status == 400
    assert told["error"].startswith("k=www")
    assert len(told["error"]) < 600


def test_panels_that_compute_for_long_hold_up_no_other_route() -> None:
    """Forty questions at once took every thread: charts, pictures and the health check waited until they had been computed."""
    release = threading.Event()

    class Slow(ServiceOfPanels):
        owner = SimpleNamespace(role="owner")

        def labs(self) -> dict[str, Any]:
            return {"state": "ready"}

        def compute(self, name: str, knobs: dict[str, Any]) -> dict[str, Any]:
            release.wait(60)
            return super().compute(name, knobs)

    slow = Slow()
    of = {route.path: route for route in routes(lambda: slow)}

    async def get(path: str, method: str = "GET", body: bytes = b"") -> int:
        status: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            status.append(message.get("status", 0))

        await of[path].app({"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}, receive, send)
        return status[0]

    async def whole() -> list[int]:
        bodies = [b'{"panel": "odd", "knobs": {"k": 2, "words": "%d"}}' % n for n in range(60)]
        panels = [asyncio.ensure_future(get("/panel", "POST", body)) for body in bodies]
        for _ in range(200):
            await asyncio.sleep(0)
        try:
            out = [await asyncio.wait_for(get("/healthz"), 20)]
        finally:
            release.set()
        return out + list(await asyncio.gather(*panels))

    assert run(whole()) == [200] * 61
