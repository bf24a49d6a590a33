"""The page shows the committed measurement, and says so where there is none."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from engine.core.paths import ROOT

DOCS = ROOT / "docs" / "measured" / "moe"
PRESETS = {
    "collapse": {"twin": "collapse_cured"},
    "collapse_cured": {"twin": None, "broken": "collapse"},
    "non_finite": {"twin": "non_finite_cured"},
    "new": {"twin": None},
    "calm": {"twin": "calm_cured"},
}


def shown(preset: str, lab: str = "moe") -> str:
    def page(lab: str, name: str, presets: dict) -> None:
        from pages.parts.runs.measured import measured

        measured(lab, presets, name)

    test = AppTest.from_function(page, args=(lab, preset, PRESETS)).run(timeout=60)
    assert not test.exception
    return "\n".join(e.value for e in [*test.markdown, *test.caption])


@pytest.mark.parametrize("preset", ["collapse", "collapse_cured"])
def test_twins_stand_side_by_side_with_the_numbers_of_the_files(preset: str) -> None:
    text, key = shown(preset), "router/dead_experts@blocks.1.moe"
    broken, cured = (json.loads((DOCS / f"{name}.json").read_text())["summary"][key] for name in ("collapse", "collapse_cured"))
    assert f"| `{key}` | {broken['min']:g} to {broken['max']:g} | {cured['max']:g} |" in text
    assert "5 seeds" in text


def measured_of_unet(name: str) -> str:
    def page(name: str) -> None:
        from engine.labs.describe import expand_presets
        from engine.labs.diffusion.unet import Unet
        from pages.parts.runs.measured import measured

        measured("unet", expand_presets(Unet), name)

    test = AppTest.from_function(page, args=(name,)).run(timeout=60)
    assert not test.exception
    return "\n".join(e.value for e in [*test.markdown, *test.caption])


def test_a_ladder_shows_what_was_measured_of_the_arm_with_its_knobs() -> None:
    assert measured_of_unet("depth").replace("`depth`", "`depth_8`") == measured_of_unet("depth_8")
    assert "has not been measured" not in measured_of_unet("depth")


def test_twins_are_compared_by_the_steps_to_the_lowest_loss_that_all_their_seeds_reached() -> None:
    runs = [json.loads((DOCS.parent / "unet" / f"{name}.json").read_text())["runs"] for name in ("skips", "skips_cured")]
    levels = [[run["first_at_or_below"]["loss/fixed"] for run in twin] for twin in runs]
    lowest = min((level for level in levels[0][0] if all(run[level] is not None for twin in levels for run in twin)), key=float)
    broken, cured = ([run[lowest] for run in twin] for twin in levels)
    text = measured_of_unet("skips")
    assert f"| steps until `loss/fixed` is {lowest} | {min(broken)} to {max(broken)} | {min(cured)} to {max(cured)} |" in text
    quotient = float(text.split("needs ")[1].split(" times")[0])
    assert quotient == pytest.approx(sum(broken) / sum(cured), rel=0.01)


def test_an_infinite_loss_is_shown_as_one() -> None:
    assert "| `loss/validation` | +Inf |" in shown("non_finite")


def test_the_noise_floor_stands_beside_the_number() -> None:
    told = json.loads((DOCS.parent / "consistency" / "calm.json").read_text())
    assert "energy_distance/floor" not in told["shown"]
    floor = told["summary"]["energy_distance/floor"]["min"]
    assert f"| `energy_distance/floor` | {1e3 * floor:.4g} m |" in shown("calm", "consistency")


def test_what_was_not_measured_says_so() -> None:
    assert shown("new") == "This preset has not been measured yet."
