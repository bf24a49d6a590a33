"""How tests get past the gate: the token that their servers are started with, and the cookie of a browser that has shown it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.server.access_token import signed

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

TOKEN = "token-of-the-tests"


def cookie(port: int) -> dict[str, str]:
    """The cookie of a new browser, for a server on this port: {"name", "value"}."""
    return {"name": f"faultline-{port}", "value": signed(TOKEN, secrets.token_hex(16))}


def let_in(context: BrowserContext, address: str) -> None:
    """A browser that opens pages of the server at this address without being asked."""
    parts = urlsplit(address)
    context.add_cookies([{**cookie(parts.port or 80), "url": f"{parts.scheme}://{parts.netloc}"}])
