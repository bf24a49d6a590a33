"""The Markdown beside a lab: its parts are found, a wrong one is named in one sentence, and its numbers follow the records."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.declare.measured import MEASURED, UNKNOWN, Filled, band, fill, fill_text
from engine.declare.placeholders import STATS, Known, PlaceholderError, check
from engine.declare.texts import TextError, parse
from engine.labs.describe import entry
from engine.labs.lab import Lab

LABS = Catalog("", Lab).load()[0]
KNOWN = Known(
    presets=frozenset({"calm", "calm_cured"}),
    knobs=frozenset({"lr", "router.k"}),
    metrics={"loss": {False}, "grad_norm": {False, True}, "load": {True}, "shown_…": {False}},
    thresholds={"loss": (0.8,)},
)
WHOLE = """# toy

The story,
in two lines.

And a second paragraph.

## calm

Nothing happens.

Nothing to see.

## chart losses

A note.

## panel noise

More.
"""


# -- Markdown ----------------------------------------------------------------------------------------------


def test_every_part_of_the_markdown_is_found() -> None:
    texts = parse(WHOLE, "toy", "toy.md")
    assert texts.story == "The story, in two lines.\n\nAnd a second paragraph."
    assert texts.presets == {"calm": ("Nothing happens.", "Nothing to see.")}
    assert texts.charts == {"losses": "A note."}
    assert texts.panels == {"noise": "More."}
    texts.check_names(["calm"], ["losses"], ["noise"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("# toy\n", "# tay\n"), 'its title is "# tay", but must be "# toy".'),
        (("# toy\n", ""), 'there is text before the title; the first line is "# toy".'),
        (("## calm\n\nNothing happens.\n", "## calm\n"), 'under "## calm" there are 1 paragraphs'),
        (("Nothing to see.\n", "See.\n\nThird.\n"), 'under "## calm" there are 3 paragraphs'),
        (("A note.", "A note.\n\nAnother."), 'under "## chart losses" there are 2 paragraphs'),
        (("## panel noise", "## chart losses"), 'the heading "## chart losses" is there twice.'),
        (("## panel noise", "# panel"), '"# panel" is a second title'),
        (("## panel noise", "## picture of noise"), '"## picture of noise" is no heading of a lab'),
        (("The story,\nin two lines.\n\nAnd a second paragraph.\n", ""), 'there is no story under "# toy".'),
    ],
)
def test_a_text_of_another_shape_is_one_sentence_with_its_file(change: tuple[str, str], sentence: str) -> None:
    assert change[0] in WHOLE
    with pytest.raises(TextError) as refused:
        parse(WHOLE.replace(*change), "toy", "toy.md")
    assert str(refused.value).startswith("toy.md: ")
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("presets", "charts", "panels", "sentence"),
    [
        (["calm", "wild"], ["losses"], ["noise"], 'the preset "wild" has no heading'),
        (["wild"], ["losses"], ["noise"], "a heading names no preset of this lab"),
        (["calm"], ["loss"], ["noise"], "a heading names no chart of this lab"),
        (["calm"], ["losses"], [], "a heading names no panel of this lab"),
    ],
)
def test_headings_and_what_they_name_belong_together(presets: list[str], charts: list[str], panels: list[str], sentence: str) -> None:
    with pytest.raises(TextError, match=sentence):
        parse(WHOLE, "toy", "toy.md").check_names(presets, charts, panels)


@pytest.mark.parametrize("name", LABS)
def test_no_placeholder_of_a_lab_is_left_over_or_unmeasured(name: str) -> None:
    """Every number that a text takes from the records is in them: nobody reads "not measured yet" where a measurement exists."""
    told = fill({"labs": [entry(name, LABS[name])]})["labs"][0]
    texts = [told["story"], *told["chart_notes"].values(), *(panel["about"] for panel in told["panels"])]
    for one in told["presets"].values():
        texts += [one["story"], one["see"]]
    assert [text for text in texts if "{" in text or "}" in text or UNKNOWN in text.replace("not measured yet.", "")] == []
    assert any((MEASURED / name).glob("*.json"))


# -- placeholders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *(f"{{band calm loss {stat}}}" for stat in STATS),
        "{band calm loss below(0.8)}",
        "{band calm grad_norm max} and {band calm grad_norm@layer max}",
        "{ratio calm calm_cured loss}",
        "{count calm load@layer > 3}",
        "{band calm shown_17}",
        "{knob router.k}",
        "{cite 1.5 | arXiv 2310.13545}",
        "no placeholder",
    ],
)
def test_what_exists_may_be_named(text: str) -> None:
    check(text, KNOWN)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{bund calm loss}", "bund"),
        ("{band clam loss}", "clam"),
        ("{band calm lass}", "lass"),
        ("{band calm loss latest}", "latest"),
        ("{band calm load}", "load comes per layer; write load@LAYER."),
        ("{band calm loss@layer}", "loss has no layers."),
        ("{band calm loss below(0.7)}", "0.7 is no level of loss that is recorded; allowed are 0.8."),
        ("{band calm loss below(low)}", '"low" is no number.'),
        ("{band calm}", "its form must be {band PRESET METRIC[@LAYER] [STAT]}."),
        ("{ratio calm loss}", "its form must be {ratio A B METRIC[@LAYER] [STAT]}."),
        ("{count calm loss = 3}", "its form must be {count PRESET METRIC[@LAYER] > X}."),
        ("{knob rate}", "rate"),
        ("{cite 1.5}", "its form must be {cite VALUE | source}."),
        ("half {band", "a brace stands alone"),
    ],
)
def test_what_does_not_exist_is_named_with_what_is_allowed(text: str, sentence: str) -> None:
    with pytest.raises(PlaceholderError) as refused:
        check(text, KNOWN)
    assert sentence in str(refused.value)


# -- numbers -----------------------------------------------------------------------------------------------


def record(folder: Path, preset: str, values: list[Any]) -> None:
    """A record of one preset with the metric `loss` over so many seeds."""
    runs = [{"seed": seed, "metrics": {"loss": value}, "largest": {"loss": 9}} for seed, value in enumerate(values)]
    (folder / "toy").mkdir(parents=True, exist_ok=True)
    (folder / "toy" / f"{preset}.json").write_text(json.dumps({"runs": runs}))


LAB = {
    "lab": "toy",
    "story": "It ends at {band calm loss}.",
    "knobs": [{"name": "lr", "kind": "float", "default": 1e-3}],
    "presets": {"calm": {"story": "Calm.", "see": "{band calm loss} at a rate of {knob lr}.", "knobs": {"lr": 0.5}}},
}


@pytest.mark.parametrize(
    ("values", "printed"),
    [
        ([0.25, 0.5], "0.25 to 0.50"),
        ([16, 21, 18], "16 to 21"),
        ([2.301, 2.312], "2.30 to 2.31"),
        ([84000.2, 169000.4], "84,000 to 170,000"),
        ([4e12, 6e8], "6.0e8 to 4.0e12"),
        ([5e6, 4.4e7], "5.0 to 44 million"),
        ([7, 7, 7], "7"),
        ([1.0, math.nan, 3.0], "1 to 3 on 2 of 3 seeds"),
        ([math.inf], "not finite"),
        ([None, None], "never"),
        ([], UNKNOWN),
        ([-0.5, 0.5], "-0.50 to 0.50"),
        ([0.00002, 0.00004], "2.0e-5 to 4.0e-5"),
    ],
)
def test_a_band_prints_the_smallest_and_the_largest_and_hides_nothing(values: list[Any], printed: str) -> None:
    assert band(values) == printed


def test_a_new_measurement_changes_the_text_at_the_next_reading(tmp_path: Path) -> None:
    labs = Filled({"labs": [LAB]}, tmp_path)
    assert labs.now()["labs"][0]["story"] == f"It ends at {UNKNOWN}."
    record(tmp_path, "calm", [0.25, 0.5])
    first = labs.now()
    assert first["labs"][0]["story"] == "It ends at 0.25 to 0.50."
    assert first["labs"][0]["presets"]["calm"]["see"] == "0.25 to 0.50 at a rate of 0.5."
    assert labs.now() is first, "not filled again without a change"
    record(tmp_path, "calm", [0.25, 0.75])
    os.utime(tmp_path / "toy" / "calm.json", ns=(1, 1))
    assert labs.now()["labs"][0]["story"] == "It ends at 0.25 to 0.75."
    assert LAB["story"] == "It ends at {band calm loss}.", "the document itself is not changed"


def test_every_statistic_is_read_from_its_own_part_of_the_record(tmp_path: Path) -> None:
    record(tmp_path, "calm", [1.0, 4.0, "NaN"])
    record(tmp_path, "calm_cured", [0.5, 1.0, 1.0])
    said = {
        text: fill_text(text, LAB, "calm", tmp_path)
        for text in (
            "{band calm loss max}",
            "{ratio calm calm_cured loss}",
            "{count calm loss > 2}",
            "{count calm_cured loss < 0.7}",
            "{band calm loss min}",
            "{band calm loss below(0.8)}",
            "{cite 1.5 | arXiv 2310.13545}",
        )
    }
    assert list(said.values()) == ["9", "2 to 4 on 2 of 3 seeds", "1 of 3", "1 of 3", UNKNOWN, UNKNOWN, "1.5 (arXiv 2310.13545)"]
