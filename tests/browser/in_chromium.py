"""The lab in a real browser outside of pytest: for benchmarks and screenshots."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS, Server, chromium_here


@contextmanager
def chromium() -> Iterator[Browser]:
    found = chromium_here()
    if found is None:
        raise FileNotFoundError("There is no Chromium on this machine; install the package `chromium`.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def running(data: Path, app: str = "app.py", *, within: float = 180.0) -> Iterator[Server]:
    """A server that has read its labs, so that its fork server is warm."""
    server = Server(data, app)
    try:
        server.start()
        until = time.monotonic() + within
        while b'"labs":"ready"' not in (said := urllib.request.urlopen(f"{server.address}/healthz", timeout=10).read()):
            if time.monotonic() > until:
                raise TimeoutError(f"The labs were not read within {within:.0f} s: {said!r}")
            time.sleep(0.1)
        yield server
    finally:
        server.stop()
