"""Where the lab is found: the links that let a person in, printed when it starts, opened where there is a desktop, printed again by `link`.

`data/server.json` keeps the addresses of the server that started last: {"urls": ["http://127.0.0.1:8501/", …]}.
"""

from __future__ import annotations

import contextlib
import html
import os
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from engine.core.files import read_json, replace, write_json
from engine.server.access_token import Token
from engine.server.admission import Option, as_address, machine_names

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]

DEFAULT = "http://127.0.0.1:8501/"


def addresses(option: Option) -> list[str]:
    """Where a browser finds this server, the address for this machine first."""
    bound = (option("server.address") or "").strip()
    public, _, path = (option("browser.serverAddress") or "").strip().partition("/")
    port = option("server.port")
    outside = option("browser.serverPort") or port
    scheme = "https" if option("server.sslCertFile") or outside == 443 else "http"
    prefix = (option("server.baseUrlPath") or "").strip("/")
    if public and public != "localhost":
        return [_url(scheme, public, outside, path.strip("/") or prefix)]
    scheme = "https" if option("server.sslCertFile") else "http"
    if bound not in ("", "0.0.0.0", "::"):
        return [_url(scheme, bound, port, prefix)]
    found = [(name, as_address(name)) for name in sorted(machine_names())]
    near = [name for name, address in found if address and address.version == 4 and not (address.is_loopback or address.is_link_local)]
    return [_url(scheme, name, port, prefix) for name in ("127.0.0.1", *near)]


def _url(scheme: str, name: str, port: int, path: str) -> str:
    usual = {"http": 80, "https": 443}[scheme]
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return f"{scheme}://{name}{'' if port == usual else f':{port}'}/{f'{path}/' if path else ''}"


def known(data: Path) -> list[str]:
    """The addresses of the server that started last in this folder; the usual one where none has."""
    urls = (read_json(data / "server.json") or {}).get("urls")
    kept = [url for url in urls if isinstance(url, str)] if isinstance(urls, list) else []
    return kept or [DEFAULT]


def link(url: str, token: str) -> str:
    """The address that lets in whoever opens it."""
    return f"{url}?token={token}"


def announced(lifespan: Lifespan, option: Option, token: Token) -> Lifespan:
    """`lifespan`, and once the lab is up its links on the terminal, and in a browser where there is a desktop (`server.headless` off)."""

    @asynccontextmanager
    async def whole(app: Any) -> AsyncIterator[None]:
        async with lifespan(app):
            urls = addresses(option)
            data = token.file.parent
            with contextlib.suppress(OSError):  # nobody but the verb `link` needs it
                write_json(data / "server.json", {"urls": urls})
            sys.stderr.write("".join(f"{line}\n" for line in greeting(urls, token)))
            if not option("server.headless"):
                threading.Thread(target=open_browser, args=(data, link(urls[0], token.now())), daemon=True).start()
            yield

    return whole


def greeting(urls: list[str], token: Token) -> list[str]:
    """The lines that a server prints when it is up."""
    first, *others = [link(url, token.now()) for url in urls]
    lines = ["", f"  Faultline is open: {first}", *(f"  or, on this network: {other}" for other in others)]
    if not token.kept:
        lines.append(f"  {token.file.parent} takes no file, so this link ends with the server.")
    return [*lines, "  Whoever has a link may start, stop and delete runs.  `python -m engine link` prints it again.", ""]


def open_browser(data: Path, url: str) -> None:
    """Open the link in a desktop browser, through a file: other people of the machine see what a program was started with."""
    file = data / "open.html"
    text = f'<!doctype html><meta charset="utf-8"><title>Faultline</title><meta http-equiv="refresh" content="0; url={html.escape(url)}">'

    def write(beside: Path) -> None:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(text)

    with contextlib.suppress(OSError, webbrowser.Error):  # the link stands on the terminal
        replace(file, write)
        webbrowser.open(file.resolve().as_uri())
