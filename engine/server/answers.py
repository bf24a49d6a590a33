"""What every route answers with: JSON that any text can stand in, and one short sentence for what cannot be answered."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

LONGEST = 500  # characters of a sentence, which may repeat what was sent


class Json(JSONResponse):
    """In ASCII: half of a surrogate pair, which a browser may send and a file may hold, stands in no other encoding."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class BadRequest(ValueError):
    """What a browser asked for cannot be answered; the message is one sentence."""


def answered(endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """The same with a refusal for each of its errors."""

    @functools.wraps(endpoint)
    def answer(request: Request) -> Response:
        try:
            return endpoint(request)
        except (BadRequest, KeyError, OSError) as error:
            return _refusal(error)

    return answer


def answered_async(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """`answered` for a coroutine."""

    @functools.wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (BadRequest, KeyError) as error:
            return _refusal(error)

    return answer


def _refusal(error: Exception) -> Response:
    status = 404 if isinstance(error, KeyError) else 507 if isinstance(error, OSError) else 400  # 507: no room
    message = str(error.args[0]) if error.args else str(error)
    short = message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"
    return Json({"error": short}, status_code=status)
