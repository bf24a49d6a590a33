"""What a console cannot show is escaped, JSON is ASCII everywhere, and times name their zone."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import __main__ as command_line
from engine.commands import labs as labs_command
from tests.support.toy import DOCUMENT, TOY, Answer


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, toy_data: Path) -> Callable[..., tuple[int, bytes]]:
    """The command line on a console that knows ASCII only, with a lab whose title is not: -> exit code, what it shows."""
    greek = {**DOCUMENT, "labs": [{**TOY, "title": "∇ of a toy"}]}
    monkeypatch.setattr(labs_command, "labs_document", lambda *_, **__: greek)

    def call(*arguments: str) -> tuple[int, bytes]:
        shown = io.BytesIO()
        with monkeypatch.context() as patch:
            for name in ("stdout", "stderr"):
                patch.setattr(sys, name, io.TextIOWrapper(shown, "ascii", write_through=True))
            code = command_line.main(list(arguments))
            shown = io.BytesIO(shown.getvalue())
        return code, shown.getvalue()

    return call


def test_a_console_that_is_not_utf_8_shows_escapes(console: Callable[..., tuple[int, bytes]]) -> None:
    code, shown = console("labs")
    assert (code, b"toy: \\u2207 of a toy\n" in shown) == (0, True)
    code, shown = console("labs", "né")
    assert (code, b"n\\xe9" in shown) == (5, True)


def test_json_is_ascii(console: Callable[..., tuple[int, bytes]]) -> None:
    code, shown = console("labs", "--json")
    assert code == 0
    assert json.loads(shown.decode("ascii"))["labs"][0]["title"] == "∇ of a toy"


def test_the_table_of_runs_names_the_zone_of_its_times(engine: Callable[..., Answer]) -> None:
    assert engine("run", "toy", "steps=1")[0] == 0
    assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d [A-Z+-]\S+ ", engine("runs")[1])
