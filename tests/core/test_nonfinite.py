"""NaN and infinities travel as three words, which one file knows."""

from __future__ import annotations

import ast
import math

import pytest

from engine.core.nonfinite import WORDS, jsonable, number, word
from engine.core.paths import ROOT

DISPLAY = {"engine/labs/common/traces.py"}  # a chart writes NaN as NaN


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1.5, 3, None, "a word", True])
def test_a_number_comes_back_from_its_word(value: object) -> None:
    plain = jsonable(value)
    if isinstance(value, float):
        assert repr(number(plain)) == repr(value)
        assert (plain in WORDS) is not math.isfinite(value)
    else:
        assert plain is value


def test_a_finite_number_has_no_word() -> None:
    assert [word(v) for v in (1.0, None, math.nan, math.inf, -math.inf)] == ["", "", *WORDS]


def test_no_other_file_writes_the_words() -> None:
    found = []
    for path in [*(ROOT / "engine").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]:
        name = path.relative_to(ROOT).as_posix()
        words = set(WORDS) - ({"NaN"} if name in DISPLAY or name.startswith("pages/") else set())
        if name != "engine/core/nonfinite.py":
            strings = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
            found += [f"{name}:{node.lineno}" for node in strings if isinstance(node.value, str) and node.value in words]
    assert not found, f"import them from engine.core.nonfinite: {found}"
