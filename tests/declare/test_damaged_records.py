"""A record of docs/measured that was cut or merged by hand counts as not measured, and stops no text, card or page."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.declare.measured import fill
from engine.declare.records import MEASURED, record
from tests.support.lab_pages import ENTRIES

ODD: tuple[Any, ...] = (None, True, -1, 2.5, "", "x", [], {}, [1], {"a": 1}, 10**30)
MOE = {"labs": [ENTRIES["moe"]]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MEASURED / "moe", tmp_path / "moe")).parent


def parts(document: Any, deep: int = 4) -> list[tuple[Any, Any]]:
    """(container, name) of the first entries of every level."""
    inner = list(document.items() if isinstance(document, dict) else enumerate(document))[:12] if deep else []
    own = [(document, name) for name, _ in inner]
    return own + [one for _, value in inner if isinstance(value, dict | list) for one in parts(value, deep - 1)]


def spoilt(draw: random.Random, text: str) -> str:
    document = json.loads(text)
    container, name = draw.choice(parts(document))
    if isinstance(container, dict) and draw.random() < 0.4:
        del container[name]
    else:
        container[name] = draw.choice(ODD)
    return json.dumps(document)


def test_texts_are_filled_beside_damaged_records(folder: Path) -> None:
    draw, file = random.Random(1), folder / "moe" / "collapse.json"
    whole, damaged = file.read_text(), 0
    for count in range(40):
        file.write_text(spoilt(draw, whole) + " " * count)  # another size is another file
        damaged += record(file) is None
        filled = fill(MOE, folder)["labs"][0]["presets"]["collapse"]
        assert filled["story"]
    assert 10 < damaged < 40


@pytest.mark.parametrize("name", ["runs", "summary", "paired", "film", "environment", "seeds", "knobs"])
def test_a_record_without_a_part_is_none_and_is_said_once(folder: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """One such file closed every page: the labs could not be read any more."""
    file = folder / "moe" / "collapse.json"
    document = json.loads(file.read_text())
    del document[name]
    file.write_text(json.dumps(document))
    for _ in range(2):
        assert record(file) is None
        assert "not measured yet" in str(fill(MOE, folder))
    told = [one.getMessage() for one in caplog.records if one.name == "faultline"]
    assert told == ["the record moe/collapse.json is damaged, and counts as not measured"]
