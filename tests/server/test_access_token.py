"""The token of a data folder: made once, private, replaced on request; and the verb that prints its link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.server.access_token import Token, Unsafe
from tests.support.entering import TOKEN
from tests.support.gate_requests import ID
from tests.support.toy import Answer


@pytest.fixture
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAULTLINE_TOKEN", raising=False)


@pytest.mark.usefixtures("no_token")
def test_the_token_is_made_once_outlives_restarts_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = Token(tmp_path / "data").now()
    assert Token(tmp_path / "data").now() == first
    assert stat.S_IMODE(os.stat(tmp_path / "data" / "token").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(tmp_path / "data").st_mode) == 0o700
    assert sorted(os.listdir(tmp_path / "data")) == ["token"], "nothing is left beside it"


@pytest.mark.usefixtures("no_token")
def test_a_new_token_reaches_a_running_server_and_ends_every_cookie(tmp_path: Path) -> None:
    running = Token(tmp_path)
    cookie = running.cookie(ID)
    assert running.browser(cookie) == ID
    new = Token(tmp_path).renew()
    assert running.now() == new
    assert running.browser(cookie) == ""
    (tmp_path / "token").unlink()
    assert running.now() == new, "who deletes the file locks nobody out"


@pytest.mark.usefixtures("no_token")
@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40, b"a" * 5000])
def test_a_damaged_token_is_made_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    assert Token(tmp_path).now() == Token(tmp_path).now() == (tmp_path / "token").read_text().strip()


@pytest.mark.usefixtures("no_token")
def test_a_token_that_is_a_link_is_not_followed_and_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("a-token-that-others-know")
    (tmp_path / "token").symlink_to(tmp_path / "theirs")
    assert Token(tmp_path).now() != "a-token-that-others-know"
    assert (tmp_path / "theirs").read_text() == "a-token-that-others-know"
    (tmp_path / "other" / "token").mkdir(parents=True)
    with pytest.raises(Unsafe, match="remove it"):
        Token(tmp_path / "other").now()


@pytest.mark.parametrize("word", ["short", "sixteen letters!", "é" * 20, "a" * 300])
def test_a_token_that_is_easy_to_guess_or_fits_no_address_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("FAULTLINE_TOKEN", word)
    with pytest.raises(Unsafe, match="16 to 256 letters"):
        Token(tmp_path)
    monkeypatch.setenv("FAULTLINE_TOKEN", TOKEN)
    assert Token(tmp_path).now() == TOKEN
    assert not (tmp_path / "token").exists()


@pytest.mark.usefixtures("no_token")
def test_the_verb_prints_the_link_of_the_server_that_started_last(engine: Callable[..., Answer], toy_data: Path) -> None:
    code, first, _ = engine("link", "--json")
    assert (code, first) == (0, {"url": f"http://127.0.0.1:8501/?token={Token(toy_data).now()}"})
    (toy_data / "server.json").write_text('{"urls": ["http://127.0.0.1:9000/class/", 3]}')
    new = engine("link", "--new", "--json")[1]["url"]
    assert new == f"http://127.0.0.1:9000/class/?token={Token(toy_data).now()}"
    assert new.partition("=")[2] != first["url"].partition("=")[2]


def test_the_verb_does_not_replace_a_token_that_the_environment_gives(
    engine: Callable[..., Answer], toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULTLINE_TOKEN", TOKEN)
    code, out, err = engine("link", "--new")
    assert (code, out) == (2, "")
    assert "FAULTLINE_TOKEN" in err
