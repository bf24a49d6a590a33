"""The gate before everything that the lab answers: pages, routes and socket.  Who has the token may press; nobody else sees anything.

    GET /…?token=TOKEN    303 to the same address without it, and a cookie that names the browser
    the cookie            lets through, and says who asks (`BROWSER`, a header that only the gate can set)
    anything else         401, a page that takes the token; 421 for a wrong Host, 403 for a page elsewhere
    /healthz              free, as are the health checks of the pages' own server

Streamlit's settings are handed in (`Rules.of`), so that nothing here needs to know it.
"""

from __future__ import annotations

import functools
import html
import secrets
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote_plus

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.server.access_token import Token
from engine.server.admission import Refused, Rules

BROWSER = "x-faultline-browser"  # the browser's id, 32 hexadecimal digits, for pages and routes
FREE = ("/healthz", "/_stcore/health")
YEAR = 365 * 86_400  # seconds
QUIET = {"Cache-Control": "no-store"}
CLOSED = {**QUIET, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"}
ASK, WRONG = "This lab opens with its token.", "That is not the token of this lab."


class Admitted(NamedTuple):
    browser: str


class Moved(NamedTuple):
    location: str
    cookie: str


class Gate:
    """ASGI middleware, the outermost.  `ours`: addresses that only our own pages ask for, never a person."""

    def __init__(self, app: ASGIApp, rules: Rules, token: Token, ours: Iterable[str] = ()) -> None:
        self.app, self.rules, self.token = app, rules, token
        self.ours = frozenset(path for one in ours for path in (one, rules.prefix + one))
        self.free = frozenset(path for one in FREE for path in (one, rules.prefix + one))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        answer = functools.partial(self._framed, send)
        if scope["type"] == "http" and scope["path"] in self.free:
            await self.app(_named(scope, ""), receive, answer)
            return
        try:
            verdict = self.judge(scope)
        except Refused as refused:
            await _refuse(scope, receive, answer, refused)
        else:
            if isinstance(verdict, Moved):
                moved = Response(status_code=303, headers={**QUIET, "Location": verdict.location, "Referrer-Policy": "no-referrer"})
                moved.raw_headers.append((b"set-cookie", verdict.cookie.encode()))
                await moved(scope, receive, answer)
            else:
                await self.app(_named(scope, verdict.browser), receive, answer)

    def judge(self, scope: Scope) -> Admitted | Moved:
        """Whom to let through or on.  Refused with 421, 403 or 401."""
        self.rules.check(scope["headers"], (scope.get("server") or ("", None))[0] or "", page=scope["path"] not in self.ours)
        browser, query = self._known(scope), scope["query_string"].decode("latin-1")
        words = [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "token"]
        if not words or scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD"):
            if not browser:
                raise Refused(401, ASK)
            return Admitted(browser)
        if not browser and not any(self.token.opens(word) for word in words):
            raise Refused(401, WRONG)
        return Moved(_without_token(scope, query), self._cookie(scope, browser or secrets.token_hex(16)))

    def _known(self, scope: Scope) -> str:
        """The browser id of the request's cookie, or empty.  Of several cookies of this name one that is ours suffices."""
        name = _cookie_name(scope)
        for header, value in scope["headers"]:
            for part in value.decode("latin-1").split(";") if header.lower() == b"cookie" else ():
                given, _, content = part.strip().partition("=")
                if given == name and (browser := self.token.browser(content.strip())):
                    return browser
        return ""

    def _cookie(self, scope: Scope, browser: str) -> str:
        secure = "; Secure" if scope.get("scheme") in ("https", "wss") else ""
        path = self.rules.prefix or "/"
        return f"{_cookie_name(scope)}={self.token.cookie(browser)}; Path={path}; Max-Age={YEAR}; HttpOnly; SameSite=Lax{secure}"

    async def _framed(self, send: Send, message: Message) -> None:
        """Every answer says who may show it in a frame, and tells other servers nothing of its address."""
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = [*message.get("headers", ()), (b"content-security-policy", f"frame-ancestors {self.rules.ancestors}".encode())]
            if not any(name.lower() == b"referrer-policy" for name, _ in headers):
                headers.append((b"referrer-policy", b"same-origin"))
            message = {**message, "headers": headers}
        await send(message)


def _cookie_name(scope: Scope) -> str:
    """Cookies do not know ports: two labs of one machine need two names."""
    return f"faultline-{(scope.get('server') or ('', 0))[1] or 0}"


def _named(scope: Scope, browser: str) -> Scope:
    """The request with the browser's id, whatever it called itself.

    The gate has looked at the Origin; on the socket it becomes the Host, for Streamlit asks addresses outside about any other.
    """
    taken = {BROWSER.encode(), *((b"origin",) if scope["type"] == "websocket" else ())}
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in taken]
    return {**scope, "headers": [*headers, (BROWSER.encode(), browser.encode())] if browser else headers}


def _without_token(scope: Scope, query: str) -> str:
    """The same address without the token, relative to itself: a proxy may have taken a prefix off, and "//host" must lead nowhere else."""
    last = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1").rpartition("/")[2]
    kept = "&".join(part for part in query.split("&") if part and unquote_plus(part.partition("=")[0]) != "token")
    return "./" + quote(last, safe="%!$&'()*+,;=:@~") + (f"?{quote(kept, safe='%!$&()*+,;=:@/?~[]{}|^')}" if kept else "")


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
    """A page for people, one sentence in JSON for programs, and for a socket the bare status before it is accepted."""
    headers = dict(scope["headers"])
    wants = b"text/html" in headers.get(b"accept", b"") and scope["type"] == "http"
    answer = HTMLResponse(page(scope, refused), refused.status, CLOSED) if wants else None
    answer = answer or JSONResponse({"error": refused.message}, refused.status, QUIET)
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": refused.message[:100]})
            return
    await answer(scope, receive, send)


def page(scope: Scope, refused: Refused) -> str:
    """The page of a refusal; of a missing or wrong token with a field for it, which keeps what else the address says."""
    if refused.status != 401:
        body = f"<p>{html.escape(refused.message)}</p>"
    else:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        kept = [f'<input type="hidden" name="{html.escape(n)}" value="{html.escape(v)}">' for n, v in query if n != "token"]
        kind = "wrong" if refused.message == WRONG else ""
        body = _file("gate_form.html").substitute(message=html.escape(refused.message), kind=kind, kept="\n".join(kept))
    return _file("gate.html").substitute(title="Faultline", body=body)


@functools.cache
def _file(name: str) -> Template:
    return Template(Path(__file__).with_name(name).read_text(encoding="utf-8"))
