"""/image: one picture of one run, and nothing else of the machine."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from engine.runs.folder import RunFolder
from engine.server.routes import routes
from tests.support.indexed_runs import Owners, begin

PNG = b"\x89PNG\r\n\x1a\n picture"


class ServiceOfRuns:
    """As much of a service as the route asks for."""

    def __init__(self, owner: Any) -> None:
        self.owner, self.data, self.store = owner, owner.data, owner.store


Ask = Callable[..., Response]


def asking(owner: Any) -> Ask:
    endpoint = next(route.endpoint for route in routes(lambda: ServiceOfRuns(owner)) if route.path == "/image")

    def ask(tag: str = "", **query: Any) -> Response:
        headers = [(b"if-none-match", tag.encode())] if tag else []
        scope = {"type": "http", "method": "GET", "path": "/image", "query_string": urlencode(query).encode(), "headers": headers}
        return endpoint(Request({**scope, "app": Starlette()}))

    return ask


@pytest.fixture
def drawn(tmp_path: Path) -> RunFolder:
    """A living run with one picture."""
    folder = begin(tmp_path)
    (folder.path / "images").mkdir()
    (folder.path / "images" / "cells-20.png").write_bytes(PNG)
    return folder


@pytest.fixture(params=["owner", "reader"])
def ask(request: pytest.FixtureRequest, owners: Owners, drawn: RunFolder) -> Ask:
    first = owners()
    return asking(first if request.param == "owner" else owners())


def test_a_picture_comes_with_its_type_and_is_asked_for_once(ask: Ask, drawn: RunFolder) -> None:
    answer = ask(run=drawn.run, name="cells", step=20)
    assert (answer.status_code, answer.media_type, answer.body) == (200, "image/png", PNG)
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = ask(run=drawn.run, name="cells", step=20, tag=answer.headers["etag"])
    assert (again.status_code, again.body) == (304, b"")
    beside = drawn.path / "images" / ".cells-20.png.1"
    beside.write_bytes(PNG + b", of the next attempt")
    os.replace(beside, drawn.path / "images" / "cells-20.png")
    anew = ask(run=drawn.run, name="cells", step=20, tag=answer.headers["etag"])
    assert (anew.status_code, anew.body) == (200, PNG + b", of the next attempt")


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({}, 400, "No run was given"),
        ({"run": "20260101-000000-moe-beef", "name": "cells", "step": 20}, 404, "No run"),
        ({"run": "../../etc", "name": "cells", "step": 20}, 404, "No run"),
        ({"name": "cells", "step": 21}, 404, 'has no picture "cells" of step 21'),
        ({"name": "other", "step": 20}, 404, 'has no picture "other"'),
        ({"name": "cells"}, 400, "step= is no step"),
        ({"name": "cells", "step": -1}, 400, "step=-1 is no step"),
        ({"name": "cells", "step": "20.0"}, 400, "step=20.0 is no step"),
        ({"name": "cells", "step": "٢"}, 400, "is no step"),
        ({"name": "cells", "step": "9" * 40}, 400, "is no step"),
        ({"name": "../spec.json", "step": 20}, 400, "'../spec.json' is no name of a picture"),
        ({"name": "..", "step": 20}, 400, "is no name"),
        ({"name": "a/../cells", "step": 20}, 400, "is no name"),
        ({"name": "cells\0", "step": 20}, 400, "is no name"),
        ({"step": 20}, 400, "is no name"),
    ],
)
def test_anything_else_is_answered_in_one_sentence(ask: Ask, drawn: RunFolder, query: dict[str, Any], status: int, message: str) -> None:
    answer = ask(**({"run": drawn.run} if query and "run" not in query else {}), **query)
    assert answer.status_code == status
    told = json.loads(answer.body)["error"]
    assert message in told
    assert "\n" not in told


def test_a_link_out_of_the_folder_is_no_picture(ask: Ask, drawn: RunFolder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password")
    (drawn.path / "images" / "way-1.png").symlink_to(secret)
    (drawn.path / "images" / "room-1.png").mkdir()
    assert ask(run=drawn.run, name="way", step=1).status_code == 404
    assert ask(run=drawn.run, name="room", step=1).status_code == 404


def test_a_picture_that_is_replaced_all_the_time_is_always_whole(ask: Ask, drawn: RunFolder) -> None:
    path, over = drawn.path / "images" / "cells-20.png", threading.Event()
    kinds = {bytes([n]) * 50_000 for n in range(4)}

    def write() -> None:
        while not over.is_set():
            for content in kinds:
                path.with_name(".beside").write_bytes(content)
                os.replace(path.with_name(".beside"), path)

    path.write_bytes(next(iter(kinds)))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(ask(run=drawn.run, name="cells", step=20).body in kinds for _ in range(200))
    finally:
        over.set()
        writer.join()
