"""What every lab promises, asked of the labs of every topic."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.declare.knobs import GROUPS, unnest
from engine.declare.resolve import KnobError, resolve
from engine.labs.describe import entry
from engine.labs.lab import Lab

LABS, BROKEN = Catalog("", Lab).load()
ENTRIES = {name: entry(name, lab) for name, lab in LABS.items()}
PRESETS = [(lab, preset) for lab, told in ENTRIES.items() for preset in told["presets"]]


def test_every_file_in_the_folder_is_a_lab() -> None:
    assert not BROKEN
    assert "moe" in LABS


@pytest.mark.parametrize("name", LABS)
def test_a_lab_tells_its_story_and_its_papers(name: str) -> None:
    lab = LABS[name]
    assert lab.title
    assert len(ENTRIES[name]["story"]) > 100
    assert lab.papers
    assert lab.presets
    for spec in ENTRIES[name]["knobs"]:
        assert spec["group"] in GROUPS


@pytest.mark.parametrize(("lab", "preset"), PRESETS)
def test_a_preset_is_a_complete_declaration_that_the_lab_itself_accepts(lab: str, preset: str) -> None:
    declared = resolve(ENTRIES[lab], preset, {})
    flat, spec = declared.flat, declared.nested
    assert unnest(spec) == flat
    assert LABS[lab].model_validate(spec).flat() == flat


@pytest.mark.parametrize(("lab", "preset"), PRESETS)
def test_a_preset_says_in_one_sentence_what_it_is_and_what_to_see(lab: str, preset: str) -> None:
    told = ENTRIES[lab]["presets"][preset]
    assert told["story"].endswith(".")
    assert told["see"].endswith(".")
    assert 20 < len(told["story"]) < 220, "a card has room for one sentence"


@pytest.mark.parametrize(("lab", "preset"), [(lab, p) for lab, p in PRESETS if ENTRIES[lab]["presets"][p]["twin"]])
def test_a_twin_differs_from_its_preset_only_by_the_cure(lab: str, preset: str) -> None:
    twin = ENTRIES[lab]["presets"][preset]["twin"]
    broken, cured = resolve(ENTRIES[lab], preset, {}).flat, resolve(ENTRIES[lab], twin, {}).flat
    differing = {key for key in broken.keys() | cured.keys() if broken.get(key) != cured.get(key)}
    source = LABS[lab].presets[preset.removesuffix("_gpu")]
    heads = {key.partition(".")[0] for key in source.cure}
    assert differing
    assert {key.partition(".")[0] for key in differing} <= heads


@pytest.mark.parametrize("name", LABS)
@pytest.mark.parametrize("bad", [{"sed": "1"}, {"seed": "-1"}, {"seed": "1.5"}, {"steps": "many"}, {"lr": "nan"}, {"optimizer": "adamm"}])
def test_a_bad_value_is_answered_in_one_sentence_that_repeats_it(name: str, bad: dict[str, Any]) -> None:
    with pytest.raises(KnobError) as caught:
        resolve(ENTRIES[name], None, bad)
    (key, value), message = next(iter(bad.items())), str(caught.value)
    assert "\n" not in message
    assert (key if key == "sed" else str(value)) in message


@pytest.mark.parametrize("name", LABS)
def test_the_lab_refuses_what_the_declaration_refuses(name: str) -> None:
    for spec in ENTRIES[name]["knobs"]:
        if spec["kind"] in ("int", "float") and spec["max"] is not None:
            over = spec["max"] * 2 + 1
            with pytest.raises(KnobError):
                resolve(ENTRIES[name], None, {spec["name"]: over})
            with pytest.raises(ValueError, match=spec["name"]):
                LABS[name].model_validate({spec["name"]: over})
