"""Every status and every exit code stands in one table, and what must repeat it agrees."""

from __future__ import annotations

import ast
import json
import re

import pytest

from engine.commands import _answer
from engine.core.paths import ROOT
from engine.runs.ending import CODE_OF_STATUS, CODES, ENDED, STATUS_OF_CODE, STATUSES


def test_every_end_has_an_exit_code_and_every_code_of_a_worker_its_end() -> None:
    assert set(CODE_OF_STATUS) == ENDED == set(STATUSES) - {"queued", "running", "held"}
    assert STATUS_OF_CODE == {0: "finished", 3: "failed", 4: "diverged", 6: "stopped"}
    assert {STATUS_OF_CODE[code] for code in CODE_OF_STATUS.values()} == set(CODES), "`run` exits with no code that a worker does not have"
    assert not {_answer.BAD_USAGE, _answer.NOT_FOUND} & set(STATUS_OF_CODE), "a refusal is never taken for an end"


def test_the_browser_knows_the_same_ends() -> None:
    hub = (ROOT / "pages" / "parts" / "charts" / "live_hub.js").read_text()
    listed = re.search(r"const ENDED = new Set\((\[.*?\])\)", hub)
    assert listed is not None
    assert set(json.loads(listed[1])) == ENDED


@pytest.mark.parametrize("folder", ["engine", "pages"])
def test_no_other_file_says_which_code_an_end_has(folder: str) -> None:
    found = []
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict) and path.name != "ending.py":
                pairs = [(k.value, v.value) for k, v in zip(node.keys, node.values, strict=True) if _both_plain(k, v)]
                found += [
                    f"{path.relative_to(ROOT)}:{node.lineno}" for k, v in pairs if {k, v} & set(STATUSES) and int in (type(k), type(v))
                ]
    assert not found


def _both_plain(key: ast.expr | None, value: ast.expr) -> bool:
    return isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
