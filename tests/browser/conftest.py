"""A real server and a real browser: one of each per session, a fresh browser profile and an error log per test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.support.entering import TOKEN, let_in

ROOT = Path(__file__).resolve().parent.parent.parent
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
PATIENCE = 60_000  # milliseconds; waits end as soon as what they wait for is there


class Server:
    """The lab on a free port of this machine, over one data folder; can be stopped and started again."""

    def __init__(self, data: Path, app: str = "app.py", prefix: str = "") -> None:
        self.data, self.app, self.prefix = data, app, prefix
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def start(self) -> Server:
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "streamlit", "run", self.app, "--server.port", str(self.port), "--server.headless", "true"]
        command += ["--server.baseUrlPath", self.prefix] if self.prefix else []
        environment = {**os.environ, "FAULTLINE_DATA": str(self.data), "FAULTLINE_TOKEN": TOKEN, "OMP_NUM_THREADS": "1"}
        with open(self.data / "server.log", "ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        until = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/healthz", timeout=5):
                    return self
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"The server did not come up:\n{self.log()}") from None
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def log(self) -> str:
        return (self.data / "server.log").read_text(errors="replace")[-4000:]


def chromium_here() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = chromium_here()
    if found is None:
        message = "No Chromium on this machine; install the package `chromium` to run the browser tests."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that most tests share."""
    server = Server(tmp_path_factory.mktemp("lab"))
    yield server.start()
    server.stop()


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[Server]:
    """A server of this test alone, over an empty folder, not started yet."""
    server = Server(tmp_path / "data")
    yield server
    server.stop()


def is_error(message: ConsoleMessage) -> bool:
    """Streamlit looks for its own root below a deep link before it looks at /, and the browser reports those misses."""
    return message.type == "error" and "/_stcore/" not in message.location["url"]


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[..., Page]]:
    """-> a function that opens an address as a new person; at the end nothing may have gone wrong in any of their pages."""
    contexts, wrong = [], []

    def visit(address: str, **settings: object) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **settings)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        let_in(context, address)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
        page.on("console", lambda message: wrong.append(f"console: {message.text} {message.location}") if is_error(message) else None)
        page.goto(address)
        return page

    expect.set_options(timeout=PATIENCE)
    yield visit
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)
