"""Under which names the lab answers, and whose pages may ask it: Host, Origin and Sec-Fetch-Site of a request.

The token says *who* may press; this says *from where*: a page of somebody else, open in the same browser, brings the cookie along.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil

from engine.server.access_token import Unsafe

Option = Callable[[str], Any]  # name of a setting of the server -> its value

HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?", re.ASCII)
ANCESTOR = re.compile(r"(https?://)?(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:(\d{1,5}|\*))?", re.ASCII | re.IGNORECASE)
PORTS = {"http": 80, "https": 443}
ELSEWHERE = ("cross-site", "same-site")  # same-site: another port of this machine


class Refused(Exception):
    """A request that is not answered: a status and one sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Rules(NamedTuple):
    hosts: tuple[str, ...] = ()  # patterns of server.allowedHosts; where there are any, they alone count
    names: frozenset[str] = frozenset()  # names of this server beside the loopback
    everywhere: bool = False  # bound to all addresses of the machine
    origins: frozenset[str] = frozenset()  # server.corsAllowedOrigins
    prefix: str = ""  # of every address, "/class" or empty
    ancestors: str = "'none'"  # who may show the lab in a frame

    @classmethod
    def of(cls, option: Option) -> Rules:
        """The rules that the server's settings make.  Unsafe, in one sentence, for settings under which anybody could press."""
        if option("server.enableAgentApi"):
            raise Unsafe("server.enableAgentApi lets programs press every button of the lab; turn it off to start the lab.")
        address = (option("server.address") or "").strip().lower()
        everywhere = address in ("", "0.0.0.0", "::")
        public = (option("browser.serverAddress") or "").strip().lower().partition("/")[0]
        names = {public, *(machine_names() if everywhere else (address,))} - {""}
        prefix = (option("server.baseUrlPath") or "").strip("/")
        return cls(
            tuple(host.strip().lower().rstrip(".") for host in option("server.allowedHosts") or ()),
            frozenset(names),
            everywhere,
            frozenset(origin.strip().lower().rstrip("/") for origin in option("server.corsAllowedOrigins") or ()),
            f"/{prefix}" if prefix else "",
            frame_ancestors(os.environ.get("FAULTLINE_FRAME_ANCESTORS", "")),
        )

    def check(self, headers: Iterable[tuple[bytes, bytes]], server: str, *, page: bool) -> None:
        """Refused for a request of a wrong Host (421), of another page (403); `server`: the address that was connected to.

        `page`: the address is one that people go to, so that a link elsewhere may lead there.
        """
        sent: dict[str, list[str]] = {}
        for name, value in headers:
            sent.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip())
        host = HOST.fullmatch(sent["host"][0].lower()) if len(sent.get("host", ())) == 1 else None
        if host is None:
            raise Refused(421, "The request names no single Host; ask under the lab's own name.")
        if not self.answers_to(host[1], server):
            allow = f"if that is its name, start it with --server.allowedHosts={host[1]}"
            raise Refused(421, f'This lab does not answer to the name "{host[1]}"; {allow}.')
        if "origin" in sent:
            origin, *more = sent["origin"]
            if origin.lower() in self.origins and not more:
                return
            if more or not same_origin(origin, host):
                raise Refused(403, f'A page of "{origin:.80}" asked; only the lab\'s own pages may.')
        if sent.get("sec-fetch-site", ["none"])[-1] in ELSEWHERE and not (page and self.a_visit(sent)):
            raise Refused(403, "A page elsewhere asked; only the lab's own pages may.")

    def answers_to(self, name: str, server: str) -> bool:
        """Whether a Host (without its port) is a name of this lab."""
        name = name.strip("[]").partition("%")[0].rstrip(".")
        if self.hosts:
            return any(host == "*" or name == host or (host.startswith("*.") and name.endswith(host[1:])) for host in self.hosts)
        address = as_address(name)
        if address is not None and address.is_loopback:
            return True
        local = as_address(server)
        here = self.everywhere and address is not None and not address.is_unspecified and address == local
        return name == "localhost" or name in self.names or here

    def a_visit(self, sent: Mapping[str, list[str]]) -> bool:
        """Whether a person follows a link: a whole page, or a frame where frames are allowed."""
        frames = () if self.ancestors == "'none'" else ("iframe", "frame")
        return sent.get("sec-fetch-mode") == ["navigate"] and sent.get("sec-fetch-dest", [""])[-1] in ("document", *frames)


def same_origin(origin: str, host: re.Match[str]) -> bool:
    """Whether the Origin is the Host, ports included; a port that is left out is the one of the origin's scheme."""
    try:
        parts = urlsplit(origin.lower())
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in PORTS or f"{parts.scheme}://{parts.netloc}" != origin.lower() or parts.username is not None:
        return False
    usual = PORTS[parts.scheme]
    return (parts.hostname or "", port or usual) == (host[1].strip("[]"), int(host[2] or usual))


def as_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address, an IPv4 one in IPv6 clothes as what it is; None for a name."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def machine_names() -> set[str]:
    """Names and addresses of this machine, without asking the network."""
    name = socket.gethostname().lower().rstrip(".")
    short = name.partition(".")[0]
    addresses = [one.address for many in psutil.net_if_addrs().values() for one in many if one.family in (socket.AF_INET, socket.AF_INET6)]
    return {name, short, f"{short}.local", *(str(found) for address in addresses if (found := as_address(address)))}


def frame_ancestors(given: str) -> str:
    """The value of `frame-ancestors`.  Unsafe for what is neither none, self, nor a list of hosts."""
    words = given.replace(",", " ").split()
    if [word.strip("'").lower() for word in words] in ([], ["none"]):
        return "'none'"
    named = ["'self'" if word.strip("'").lower() == "self" else word for word in words]
    wrong = [word for word in named if word != "'self'" and not ANCESTOR.fullmatch(word)]
    if wrong:
        raise Unsafe(f"FAULTLINE_FRAME_ANCESTORS names {wrong[0]!r:.60}; allowed are none, self, or hosts such as https://example.org.")
    return " ".join(named)
