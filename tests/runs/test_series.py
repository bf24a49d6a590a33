"""NAME@LAYER is joined and split in one file; everybody else, the browser too, takes it as it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from engine.core.paths import ROOT
from engine.labs.common.traces import meta
from engine.runs.series import series_key, split_key

OTHERS = {
    "engine/labs/moe/_byte_names.py",  # a class of bytes
    "engine/declare/placeholders.py",  # METRIC@LAYER as a text names it; declare knows no runs
}


@pytest.mark.parametrize(
    ("name", "layer", "key"), [("loss/train", "", "loss/train"), ("grad_norm", "blocks.0.moe", "grad_norm@blocks.0.moe")]
)
def test_a_key_is_split_where_it_was_joined(name: str, layer: str, key: str) -> None:
    assert series_key(name, layer) == key
    assert split_key(key) == (name, layer)
    assert meta("a run", name, layer, "line")["key"] == key


def _joins(path: Path) -> list[int]:
    """Lines with a string that ends or begins with @, or is it."""
    strings = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node.lineno for node in strings if node.value.startswith("@") or node.value.endswith("@")]


def test_nobody_else_in_python_joins_or_splits() -> None:
    files = [p for room in ("engine", "pages") for p in (ROOT / room).rglob("*.py")]
    found = {p.relative_to(ROOT).as_posix(): lines for p in files if (lines := _joins(p))}
    assert set(found) == {"engine/runs/series.py"} | OTHERS, found


def test_the_browser_joins_nothing() -> None:
    found = [p.name for p in (ROOT / "pages" / "parts").rglob("*.js") if re.search(r"\}@|@\$\{|[\"'`]@[\"'`]", p.read_text())]
    assert not found, f"use the key that the trace brings: {found}"
