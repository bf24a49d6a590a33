"""The token that opens the lab: `data/token`, made once, so that a server that starts again still knows its visitors.

Only its owner may read the file.  `FAULTLINE_TOKEN` takes the place of the file.  A running server notices a new token at the
next request: every cookie of the old one is worth nothing from then on.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from pathlib import Path

from engine.core.files import regular, replace
from engine.core.paths import private_folder

FORM = re.compile(r"[A-Za-z0-9_-]{16,256}", re.ASCII)
BROWSER = re.compile(r"[0-9a-f]{32}", re.ASCII)
LONGEST = 1024  # bytes of a token file


class Unsafe(ValueError):
    """The lab may not be opened like this; the message is one sentence."""


class Token:
    """The token of a data folder, as it is at every question.

    Unsafe, in one sentence: FAULTLINE_TOKEN has the wrong form, or the place of the file is taken by something else.
    """

    def __init__(self, data: Path) -> None:
        self.file = Path(data) / "token"
        self.kept = True  # False: the folder takes no file, so the token ends with this process
        self._given, self._last, self._seen = given(), "", (0, 0, 0)

    def now(self) -> str:
        """The token, made where there is none; the last one known while the file cannot be read."""
        if self._given:
            return self._given
        try:
            looks = os.lstat(self.file)
            seen = (looks.st_ino, looks.st_size, looks.st_mtime_ns)
        except OSError:
            seen = (0, 0, 0)
        if seen != self._seen:
            self._seen, self._last = seen, _read(self.file) or self._last
        if not self._last:
            self._last = self._first()
        return self._last

    def cookie(self, browser: str) -> str:
        """The value of the cookie by which a browser is known: its id and a signature that nobody else can make."""
        return signed(self.now(), browser)

    def browser(self, cookie: str) -> str:
        """The browser id of a cookie; empty for one that this token did not sign."""
        browser = cookie.partition(".")[0]
        return browser if BROWSER.fullmatch(browser) and _same(cookie, self.cookie(browser)) else ""

    def opens(self, word: str) -> bool:
        """Whether `word` is the token."""
        return _same(word, self.now())

    def renew(self) -> str:
        """Another token in the place of this one.  Unsafe where FAULTLINE_TOKEN gives it, or the file cannot be written."""
        if self._given:
            raise Unsafe("The token comes from FAULTLINE_TOKEN; set that to another value and start the lab again.")
        try:
            return _write(self.file, anew=True)
        except OSError as error:
            raise Unsafe(f"{self.file} cannot be written ({error.strerror}); the token stays as it is.") from None

    def _first(self) -> str:
        try:
            return _write(self.file, anew=os.path.lexists(self.file) and not os.path.isdir(self.file))
        except FileExistsError:  # another process was quicker
            if token := _read(self.file):
                return token
            raise Unsafe(f"{self.file} holds no token and cannot be replaced; remove it.") from None
        except OSError:
            self.kept = False
            return secrets.token_urlsafe(32)


def signed(token: str, browser: str) -> str:
    """A browser id with its signature by a token."""
    return f"{browser}.{hmac.new(token.encode(), f'browser {browser}'.encode(), 'sha256').hexdigest()}"


def given() -> str:
    """FAULTLINE_TOKEN, or empty.  Unsafe for one that is easy to guess or does not fit into an address."""
    token = os.environ.get("FAULTLINE_TOKEN", "")
    if token and not FORM.fullmatch(token):
        raise Unsafe(f"FAULTLINE_TOKEN has {len(token)} characters; give 16 to 256 letters, digits, - and _, or leave it out.")
    return token


def _read(file: Path) -> str:
    """The token in a regular file; empty for anything else."""
    try:
        with open(file, "rb", opener=regular) as opened:
            text = opened.read(LONGEST).decode("ascii").strip()
    except (OSError, ValueError):
        return ""
    return text if FORM.fullmatch(text) else ""


def _write(file: Path, *, anew: bool) -> str:
    """A new token, whole or not at all; FileExistsError where there is one and `anew` is False."""
    token, folder = secrets.token_urlsafe(32), private_folder(file.parent)

    def fill(beside: Path) -> None:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as opened:
            opened.write(f"{token}\n".encode())

    if not anew:
        beside = folder / f".token.{os.getpid()}.{secrets.token_hex(3)}"
        try:
            fill(beside)
            os.link(beside, file)  # refuses where there is one
            return token
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links, or one that takes nothing, which the next line tells
            pass
        finally:
            beside.unlink(missing_ok=True)
    replace(file, fill)
    return token


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogateescape"), other.encode())
