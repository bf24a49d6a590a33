"""Who may press: hostile requests with their status, and beside each the allowed way, which passes."""

from __future__ import annotations

import json

import pytest

from engine.server.access_token import signed
from engine.server.gate import BROWSER
from tests.support.entering import TOKEN
from tests.support.gate_requests import FRAME, GOOD, ID, LAPTOP, LINK, LOCAL, PAGE, PROXY, ROOM, SNAPSHOT, SOCKET, VISIT, Ask

HOSTILE: dict[str, tuple[Ask, int, Ask, int]] = {  # what it is -> hostile request, its status; allowed request, its status
    # -- host: a name of somebody else that leads here
    "host: name of an attacker": (Ask(host="evil.example"), 421, Ask(host="localhost:8501"), 200),
    "host: attacker with our port": (Ask(host="evil.example:8501"), 421, Ask(host="127.0.0.1:9000"), 200),
    "host: ours as a subdomain": (Ask(host="127.0.0.1.evil.example"), 421, Ask(host="127.0.0.2:8501"), 200),
    "host: localhost as a subdomain": (Ask(host="localhost.evil.example"), 421, Ask(host="localhost."), 200),
    "host: missing": (Ask(host=None), 421, Ask(host="[::1]:8501"), 200),
    "host: empty": (Ask(host=""), 421, Ask(host="LOCALHOST:8501"), 200),
    "host: two": (Ask(more=(("host", "evil.example"),)), 421, Ask(), 200),
    "host: with a user": (Ask(host="localhost@evil.example"), 421, Ask(), 200),
    "host: with a path": (Ask(host="localhost/evil"), 421, Ask(), 200),
    "host: port that is none": (Ask(host="localhost:x"), 421, Ask(host="localhost"), 200),
    "host: another address of a laptop": (ROOM._replace(way="laptop"), 421, ROOM, 200),
    "host: address that was not connected to": (ROOM._replace(host="203.0.113.9:8501"), 421, ROOM._replace(host=LAPTOP), 200),
    "host: all addresses": (ROOM._replace(host="0.0.0.0:8501", server=("0.0.0.0", 8501)), 421, ROOM._replace(host="localhost"), 200),
    "host: attacker in a room": (ROOM._replace(host="evil.example"), 421, ROOM._replace(server=("::ffff:192.168.1.5", 8501)), 200),
    "host: not of the list": (PROXY._replace(host="other.example.org"), 421, PROXY, 200),
    "host: end of a name of the list": (PROXY._replace(host="evilclass.example.org"), 421, PROXY._replace(host="a.class.example.org"), 200),
    "host: loopback beside a list": (PROXY._replace(host="127.0.0.1"), 421, PROXY, 200),
    "host: not the public name": (Ask(way="named", host="example.org"), 421, Ask(way="named", host="lab.example.org"), 200),
    "host: attacker, socket": (SOCKET._replace(host="evil.example"), 421, SOCKET, 101),
    "host: attacker with the token": (LINK._replace(host="evil.example"), 421, LINK, 303),
    # -- origin: a page of somebody else that asks with the person's cookie
    "origin: another site": (Ask(origin="https://evil.example"), 403, Ask(origin=LOCAL), 200),
    "origin: another port": (Ask(origin="http://127.0.0.1:9999"), 403, Ask(origin=LOCAL), 200),
    "origin: another name of this machine": (
        Ask(origin="http://localhost:8501"),
        403,
        Ask(host="localhost:8501", origin="http://localhost:8501"),
        200,
    ),
    "origin: no port": (Ask(origin="http://127.0.0.1"), 403, Ask(host="127.0.0.1", origin="http://127.0.0.1"), 200),
    "origin: null": (Ask(origin="null"), 403, Ask(), 200),
    "origin: empty": (Ask(origin=""), 403, Ask(), 200),
    "origin: file": (Ask(origin="file://"), 403, Ask(), 200),
    "origin: with a user": (Ask(origin="http://127.0.0.1:8501@evil.example"), 403, Ask(origin=LOCAL), 200),
    "origin: with a path": (Ask(origin=f"{LOCAL}/evil"), 403, Ask(origin=LOCAL), 200),
    "origin: port that is none": (Ask(origin="http://127.0.0.1:port"), 403, Ask(origin=LOCAL), 200),
    "origin: two": (Ask(origin=LOCAL, more=(("origin", "https://evil.example"),)), 403, Ask(origin=LOCAL), 200),
    "origin: two, the first listed": (
        Ask(way="rewriting proxy", origin="https://lab.example.org", more=(("origin", "https://evil.example"),)),
        403,
        Ask(way="rewriting proxy", origin="https://lab.example.org"),
        200,
    ),
    "origin: not of the list": (
        Ask(way="rewriting proxy", origin="http://lab.example.org"),
        403,
        Ask(way="rewriting proxy", origin="https://LAB.example.org", site="cross-site"),
        200,
    ),
    "origin: another site, socket": (SOCKET._replace(origin="https://evil.example"), 403, SOCKET._replace(origin=LOCAL), 101),
    "origin: another port, socket": (SOCKET._replace(origin="http://127.0.0.1:9999"), 403, SOCKET._replace(origin=LOCAL), 101),
    "origin: null, socket": (SOCKET._replace(origin="null"), 403, SOCKET, 101),
    "origin: another site, posted": (
        PAGE._replace(method="POST", origin="https://evil.example"),
        403,
        PAGE._replace(method="POST", origin=LOCAL),
        200,
    ),
    "origin: behind TLS, another name": (
        PROXY._replace(origin="https://evil.example", scheme="https"),
        403,
        PROXY._replace(origin="https://lab.example.org", scheme="https"),
        200,
    ),
    # -- fetch-site: what a browser says of the page that asks
    "site: cross-site picture": (Ask("/image?run=a", site="cross-site"), 403, Ask("/image?run=a", site="same-origin"), 200),
    "site: another port's picture": (Ask("/image?run=a", site="same-site"), 403, Ask("/image?run=a", site="none"), 200),
    "site: cross-site stream": (Ask("/live?run=a", site="cross-site"), 403, Ask("/live?run=a", site="same-origin"), 200),
    "site: another port's script": (Ask("/plotly.js", site="same-site"), 403, Ask("/plotly.js", site="same-origin"), 200),
    "site: link elsewhere to a download": (
        Ask("/export?run=a", site="cross-site", more=VISIT),
        403,
        Ask("/export?run=a", site="same-origin"),
        200,
    ),
    "site: another port's request for a page": (PAGE._replace(site="same-site"), 403, PAGE._replace(site="cross-site", more=VISIT), 200),
    "site: cross-site socket": (SOCKET._replace(site="cross-site"), 403, SOCKET._replace(site="same-origin"), 101),
    "site: pages' own server, cross-site": (Ask("/_stcore/host-config", site="cross-site"), 403, Ask("/_stcore/host-config"), 200),
    "site: frame elsewhere": (
        PAGE._replace(site="cross-site", more=FRAME),
        403,
        PAGE._replace(site="same-origin", more=FRAME),
        200,
    ),
    # -- token
    "token: none": (PAGE._replace(cookie=None), 401, LINK, 303),
    "token: empty": (Ask("/?token=", cookie=None), 401, LINK, 303),
    "token: wrong": (Ask(f"/?token={'a' * len(TOKEN)}", cookie=None), 401, LINK, 303),
    "token: the beginning of it": (Ask(f"/?token={TOKEN[:-1]}", cookie=None), 401, LINK, 303),
    "token: with something behind": (Ask(f"/?token={TOKEN}x", cookie=None), 401, LINK, 303),
    "token: in capitals": (Ask(f"/?token={TOKEN.upper()}", cookie=None), 401, LINK, 303),
    "token: not ASCII": (Ask("/?token=%C3%A9%FF", cookie=None), 401, LINK, 303),
    "token: under another name": (Ask(f"/?Token={TOKEN}", cookie=None), 401, LINK, 303),
    "token: posted": (LINK._replace(method="POST"), 401, LINK._replace(method="HEAD"), 303),
    "token: on the socket": (Ask(f"/_stcore/stream?token={TOKEN}", cookie=None, kind="websocket"), 401, SOCKET, 101),
    "token: in a header": (
        Ask(cookie=None, more=(("authorization", f"token {TOKEN}"),)),
        401,
        Ask(f"{SNAPSHOT}&token={TOKEN}", cookie=None),
        303,
    ),
    # -- cookie
    "cookie: none, route": (Ask(cookie=None), 401, Ask(), 200),
    "cookie: none, socket": (SOCKET._replace(cookie=None), 401, SOCKET, 101),
    "cookie: the token itself": (Ask(cookie=f"faultline-8501={TOKEN}"), 401, Ask(), 200),
    "cookie: no signature": (Ask(cookie=f"faultline-8501={ID}"), 401, Ask(), 200),
    "cookie: empty signature": (Ask(cookie=f"faultline-8501={ID}."), 401, Ask(), 200),
    "cookie: signature of another browser": (Ask(cookie=GOOD.replace("=0", "=1")), 401, Ask(), 200),
    "cookie: signed by another token": (Ask(cookie=f"faultline-8501={signed('x' * 20, ID)}"), 401, Ask(), 200),
    "cookie: of another port": (Ask(cookie=GOOD.replace("8501", "8502")), 401, Ask(cookie=f"faultline-8502=x; {GOOD}; a=b"), 200),
    "cookie: an id that is none": (
        Ask(cookie=f"faultline-8501={signed(TOKEN, 'admin')}"),
        401,
        Ask(cookie=f"faultline-8501=junk; {GOOD}"),
        200,
    ),
    "cookie: not ASCII": (Ask(cookie="faultline-8501=\xff\xfe.\xe9"), 401, Ask(), 200),
    "cookie: the browser's header instead": (Ask(cookie=None, more=((BROWSER, ID),)), 401, Ask(), 200),
    # -- path
    "path: health with a slash": (Ask("/healthz/", cookie=None), 401, Ask("/healthz", cookie=None, host="probe.example"), 200),
    "path: out of health": (Ask("/healthz/../snapshot", cookie=None), 401, Ask("/_stcore/health", cookie=None, host=None), 200),
    "path: health in capitals": (Ask("/HEALTHZ", cookie=None), 401, Ask("/healthz", cookie=None, method="HEAD"), 200),
    "path: health under a foreign prefix": (
        Ask("/class/healthz", cookie=None),
        401,
        PROXY._replace(path="/class/healthz", cookie=None),
        200,
    ),
    "path: two slashes": (Ask("//healthz", cookie=None), 401, Ask("/healthz", cookie=None), 200),
    "path: socket named health": (Ask("/healthz", cookie=None, kind="websocket"), 401, SOCKET, 101),
    "path: pages' own server": (Ask("/_stcore/host-config", cookie=None), 401, Ask("/_stcore/host-config"), 200),
    "path: a file of the pages": (Ask("/static/js/index.js", cookie=None), 401, Ask("/static/js/index.js"), 200),
    "path: an upload": (
        Ask("/_stcore/upload_file/a/b", cookie=None, method="PUT"),
        401,
        Ask("/_stcore/upload_file/a/b", method="PUT"),
        200,
    ),
    "path: media": (Ask("/media/a.png", cookie=None), 401, Ask("/media/a.png"), 200),
    "path: preflight": (Ask(cookie=None, method="OPTIONS", origin="https://evil.example"), 403, Ask(method="OPTIONS"), 200),
}


def test_there_are_enough_hostile_requests() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_request_gets_its_status_and_the_allowed_one_beside_it_passes(what: str) -> None:
    hostile, refused, allowed, passed = HOSTILE[what]
    status, headers, body = hostile.answer()
    assert status == refused
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "set-cookie" not in headers
    message = json.loads(body)["error"]
    assert message.endswith(".")
    assert "\n" not in message
    assert allowed.answer()[0] == passed
