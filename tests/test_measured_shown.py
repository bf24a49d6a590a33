"""The page shows the committed measurement, and says so where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

DOCS = Path(__file__).resolve().parent.parent / "docs" / "measured" / "moe"
PRESETS = {
    "collapse": {"twin": "collapse_cured"},
    "collapse_cured": {"twin": None, "broken": "collapse"},
    "non_finite": {"twin": "non_finite_cured"},
    "new": {"twin": None},
}


def shown(preset: str) -> str:
    def page(name: str, presets: dict) -> None:
        from pages.parts.measured import measured

        measured("moe", presets, name)

    test = AppTest.from_function(page, args=(preset, PRESETS)).run(timeout=60)
    assert not test.exception
    return "\n".join(e.value for e in [*test.markdown, *test.caption])


@pytest.mark.parametrize("preset", ["collapse", "collapse_cured"])
def test_twins_stand_side_by_side_with_the_numbers_of_the_files(preset: str) -> None:
    text, key = shown(preset), "router/dead_experts@blocks.1.moe"
    broken, cured = (json.loads((DOCS / f"{name}.json").read_text())["summary"][key] for name in ("collapse", "collapse_cured"))
    assert f"| `{key}` | {broken['min']:g} to {broken['max']:g} | {cured['max']:g} |" in text
    assert "5 seeds" in text


def test_an_infinite_loss_is_shown_as_one() -> None:
    assert "| `loss/validation` | +Inf |" in shown("non_finite")


def test_what_was_not_measured_says_so() -> None:
    assert shown("new") == "This preset has not been measured yet."
