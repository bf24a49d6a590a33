"""The gate: what a link and its cookie do, the page that takes the token, settings, links, and folders that are nobody else's."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from engine.core import paths
from engine.runs.folder import reserve
from engine.server import links
from engine.server.access_token import Unsafe
from engine.server.admission import Rules, frame_ancestors
from engine.server.doctor import folder as doctor_of
from engine.server.gate import BROWSER
from tests.support.entering import TOKEN
from tests.support.gate_requests import FRAME, ID, LAPTOP, LOCAL, PAGE, PROXY, SETTINGS, Ask, option


def test_the_link_goes_on_to_the_same_address_without_the_token_and_names_the_browser() -> None:
    status, headers, _ = Ask(f"/run?run=a%2Cb&token={TOKEN}&zoom=1,2", cookie=None).answer()
    assert (status, headers["location"]) == (303, "./run?run=a%2Cb&zoom=1,2")
    cookie, *flags = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(flags)
    assert "Secure" not in flags
    assert TOKEN not in headers["set-cookie"]
    assert headers["referrer-policy"] == "no-referrer"
    browser = json.loads(Ask(cookie=cookie).answer()[2])[0]
    assert re.fullmatch("[0-9a-f]{32}", browser)
    again = Ask(f"/?token={TOKEN}", cookie=cookie).answer()[1]["set-cookie"]
    assert again.startswith(cookie), "the same browser keeps its id"
    assert Ask(f"/?token={TOKEN}", cookie=None).answer()[1]["set-cookie"].partition(";")[0] != cookie, "another one gets its own"


def test_under_tls_and_a_prefix_the_cookie_keeps_to_both() -> None:
    status, headers, _ = PROXY._replace(path=f"/class/?token={TOKEN}", cookie=None, scheme="https").answer()
    assert (status, headers["location"]) == (303, "./")
    assert headers["set-cookie"].endswith("; Path=/class; Max-Age=31536000; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "//evil.example", "/a//evil.example", "/run/https:%2F%2Fevil.example", "/\\evil.example"]
)
def test_no_link_with_the_token_leads_to_another_server(path: str) -> None:
    place = Ask(f"{path}?token={TOKEN}&next=//evil.example", cookie=None).answer()[1]["location"]
    assert urlsplit(urljoin(f"{LOCAL}{path}", place)).netloc == LAPTOP


def test_the_header_of_the_browser_comes_from_the_gate_alone() -> None:
    assert json.loads(Ask(more=((BROWSER, "f" * 32),)).answer()[2]) == [ID]
    assert json.loads(Ask("/healthz", cookie=None, more=((BROWSER, ID),)).answer()[2]) == []


def test_a_person_without_the_token_gets_a_page_that_takes_it_and_keeps_the_rest_of_the_address() -> None:
    html = (("accept", "text/html,*/*"),)
    status, headers, body = Ask('/run?run="><script>alert(1)</script>&axis=log', cookie=None, more=html).answer()
    assert status == 401
    assert "<script" not in body
    assert 'name="axis" value="log"' in body
    assert 'name="token" type="password"' in body
    assert "default-src 'none'" in headers["content-security-policy"]
    assert not re.search(r"(src|href)=|https?://|@import|url\(", body), "it needs nothing from anywhere"
    assert "prefers-color-scheme: dark" in body
    wrong = Ask("/?token=wrong", cookie=None, more=html).answer()[2]
    assert "not the token" in wrong
    assert 'value="wrong"' not in wrong
    strange = Ask(host="evil.example", cookie=None, more=html).answer()[2]
    assert "--server.allowedHosts=evil.example" in strange
    assert "<form" not in strange


# -- settings -------------------------------------------------------------------------------------------


def test_the_lab_does_not_start_where_programs_could_press(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsafe, match=r"server\.enableAgentApi"):
        Rules.of({**SETTINGS, "server.enableAgentApi": True}.__getitem__)
    monkeypatch.setenv("FAULTLINE_FRAME_ANCESTORS", "none; script-src *")
    with pytest.raises(Unsafe, match="FAULTLINE_FRAME_ANCESTORS"):
        Rules.of(option("laptop"))


def test_who_may_frame_the_lab_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [frame_ancestors(given) for given in ("", "none", "'none'", "self")] == ["'none'", "'none'", "'none'", "'self'"]
    monkeypatch.setenv("FAULTLINE_FRAME_ANCESTORS", "self, https://*.example.org:8443")
    framed = PAGE._replace(site="same-site", more=FRAME)
    status, headers, _ = framed.answer()
    assert (status, headers["content-security-policy"]) == (200, "frame-ancestors 'self' https://*.example.org:8443")


def test_the_links_fit_each_way_to_open_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "machine_names", lambda: {"box", "127.0.0.1", "192.168.1.5", "169.254.0.1", "fe80::1"})
    assert links.addresses(option("laptop")) == ["http://127.0.0.1:8501/"]
    assert links.addresses(option("room")) == ["http://127.0.0.1:8501/", "http://192.168.1.5:8501/"]
    outside = {**SETTINGS, "browser.serverAddress": "lab.example.org/class", "browser.serverPort": 443}
    assert links.addresses(outside.__getitem__) == ["https://lab.example.org/class/"]
    assert links.addresses({**SETTINGS, "server.baseUrlPath": "/class/"}.__getitem__) == ["http://127.0.0.1:8501/class/"]


def test_the_browser_is_started_with_a_file_that_only_its_owner_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(links.webbrowser, "open", opened.append)
    links.open_browser(tmp_path, links.link("http://127.0.0.1:8501/", TOKEN))
    assert TOKEN not in opened[0]
    file = tmp_path / "open.html"
    assert opened == [file.as_uri()]
    assert f"url=http://127.0.0.1:8501/?token={TOKEN}" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_doctor_tells_of_a_data_folder_that_others_may_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = paths.private_folder(tmp_path / "new")
    private = {name: (ok, message) for name, ok, message in doctor_of(data)}["private"]
    assert private[0], private
    data.chmod(0o755)
    ok, message = {name: (ok, message) for name, ok, message in doctor_of(data)}["private"]
    assert not ok
    assert f"chmod 700 {data}" in message
    assert stat.S_IMODE((reserve(tmp_path / "fresh", "moe").path.parent.parent).stat().st_mode) == 0o700
