"""The Markdown beside a lab: its parts are found, a wrong one is named in one sentence, and its numbers follow the records."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.core.nonfinite import jsonable
from engine.declare.measured import Filled, fill, fill_text
from engine.declare.placeholders import STATS, Known, PlaceholderError, check
from engine.declare.records import UNKNOWN
from engine.declare.texts import TextError, parse
from engine.labs.describe import entry
from engine.labs.lab import Lab
from engine.statistics.interval import band
from engine.statistics.pairs import pair
from tests.support.made_records import RECORD, RUN

LABS = Catalog("", Lab).load()[0]
KNOWN = Known(
    presets=frozenset({"calm", "calm_cured"}),
    knobs=frozenset({"lr", "router.k"}),
    metrics={"loss": {False}, "grad_norm": {False, True}, "load": {True}, "shown_…": {False}, "event/spike": set()},
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
def test_no_brace_of_a_placeholder_reaches_a_reader(name: str) -> None:
    told = fill({"labs": [entry(name, LABS[name])]})["labs"][0]
    written = [told["story"], *told["chart_notes"].values(), *(panel["about"] for panel in told["panels"])]
    written += [one[key] for one in told["presets"].values() for key in ("story", "see")]
    written += [choice[key] for spec in told["knobs"] for choice in spec["choices"] for key in ("idea", "cost", "fails") if key in choice]
    assert [text for text in written if "{" in text or "}" in text] == []


# -- placeholders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *(f"{{band calm loss {stat}}}" for stat in STATS),
        "{band calm loss below(0.8)}",
        "{band calm grad_norm max} and {band calm grad_norm@layer max}",
        "{ratio calm calm_cured loss}",
        "{compare calm calm_cured loss}",
        "{count calm load@layer > 3}",
        "{count calm event/spike > 0}",
        "{count calm loss max > 3}",
        "{band calm event/spike first}",
        "{band other/calm loss}",
        "{shown calm, calm_cured}",
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
        ("{count calm loss = 3}", "its form must be {count PRESET METRIC[@LAYER] [STAT] > X}."),
        ("{knob rate}", "rate"),
        ("{band calm event/spoke first}", "event/spoke"),
        ("{shown clam}", "clam"),
        ("{cite 1.5}", "its form must be {cite VALUE | source}."),
        ("half {band", "a brace stands alone"),
    ],
)
def test_what_does_not_exist_is_named_with_what_is_allowed(text: str, sentence: str) -> None:
    with pytest.raises(PlaceholderError) as refused:
        check(text, KNOWN)
    assert sentence in str(refused.value)


# -- numbers -----------------------------------------------------------------------------------------------


def record(folder: Path, preset: str, values: list[Any], paired: dict[str, Any] | None = None) -> None:
    """A record of one preset with the metric `loss` over so many seeds."""
    runs = [{**RUN, "seed": seed, "values": {"loss|last": jsonable(value), "loss|max": 9.0}} for seed, value in enumerate(values)]
    summary = {"loss|last": band(values).json(), "loss|max": band([9.0] * len(values)).json()}
    (folder / "toy").mkdir(parents=True, exist_ok=True)
    document = {**RECORD, "preset": preset, "runs": runs, "summary": summary, "paired": paired or {}}
    (folder / "toy" / f"{preset}.json").write_text(json.dumps(document))


def printed(tmp_path: Path, text: str) -> str:
    return fill_text(text, LAB, "calm", tmp_path)


LAB = {
    "lab": "toy",
    "story": "It ends at {band calm loss}.",
    "knobs": [{"name": "lr", "kind": "float", "default": 1e-3}],
    "presets": {"calm": {"story": "Calm.", "see": "{band calm loss} at a rate of {knob lr}.", "knobs": {"lr": 0.5}}},
}


@pytest.mark.parametrize(
    ("values", "printed_as"),
    [
        ([0.25, 0.5, 0.25, 0.5, 0.3, 0.4, 0.35, 0.3], "0.32 (0.20 to 0.60, n = 8)"),
        ([2.301, 2.312, 2.305, 2.308, 2.303], "2.31 (2.30 to 2.32, n = 5)"),
        ([8.4e4, 1.69e5, 1e5, 1.2e5, 9e4], "100,000 (57,000 to 210,000, n = 5)"),
        ([6e8, 4e12, 1e10, 1e11, 2e9], "1.0e10 (6.3e6 to 7.5e13, n = 5)"),
        ([7, 7, 7, 7, 7], "7 in 5 of 5"),
        ([1.0, math.nan, 3.0, 1.5, 2.0, 2.5], "2 (0.68 to 5.1, on 5 of 6)"),
        ([1.0, 3.0, 2.0], "2 (n = 3)"),
        ([math.inf, math.inf], "not finite in 2 of 2"),
        ([None, None], "never in 2"),
        ([-0.5, 0.5, 0.1, 0.2, 0.0], "0.10 (-0.79 to 0.91, n = 5)"),
    ],
)
def test_a_number_is_its_median_its_interval_and_n_and_nothing_is_hidden(values: list[Any], printed_as: str, tmp_path: Path) -> None:
    record(tmp_path, "calm", values)
    assert printed(tmp_path, "{band calm loss}") == printed_as


def test_a_new_measurement_changes_the_text_at_the_next_reading(tmp_path: Path) -> None:
    labs = Filled({"labs": [LAB]}, tmp_path)
    assert labs.now()["labs"][0]["story"] == f"It ends at {UNKNOWN}."
    record(tmp_path, "calm", [0.5] * 8)
    first = labs.now()
    assert first["labs"][0]["story"] == "It ends at 0.50 in 8 of 8."
    assert first["labs"][0]["presets"]["calm"]["see"] == "0.50 in 8 of 8 at a rate of 0.5."
    assert labs.now() is first, "not filled again without a change"
    record(tmp_path, "calm", [0.75] * 8)
    os.utime(tmp_path / "toy" / "calm.json", ns=(1, 1))
    assert labs.now()["labs"][0]["story"] == "It ends at 0.75 in 8 of 8."
    assert LAB["story"] == "It ends at {band calm loss}.", "the document itself is not changed"


def test_a_record_of_the_format_before_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "calm.json").write_text(json.dumps({"runs": [], "summary": {"loss": {"min": 1, "mean": 2, "max": 3}}}))
    assert printed(tmp_path, "{band calm loss}") == UNKNOWN


def test_pairs_say_how_sure_their_direction_is(tmp_path: Path) -> None:
    eight, half = [1.0, 1.2, 0.9, 1.1, 1.05, 0.95, 1.3, 1.15], [0.5] * 8
    clear = pair(dict(enumerate(eight)), dict(enumerate(half)))
    mixed = pair({s: 1.0 + 0.1 * (-1) ** s for s in range(8)}, dict.fromkeys(range(8), 1.0))
    record(tmp_path, "calm", eight, {"calm_cured": {"loss|last": clear.json(), "loss|max": mixed.json()}})
    assert printed(tmp_path, "{ratio calm calm_cured loss}") == "2.2 (1.7 to 2.8, on 8 of 8 seeds)"
    assert printed(tmp_path, "{compare calm calm_cured loss}") == "larger on 8 of 8 seeds"
    undecided = "not distinguishable on 8 seeds (sign-flip p = 0.73; the ratio is 1, in 9 of 10 new pairs 0.80 to 1.2)"
    assert printed(tmp_path, "{compare calm calm_cured loss max}") == undecided, "a negative says how large a difference it could miss"
    assert printed(tmp_path, "{ratio calm other loss}") == UNKNOWN


def test_a_direction_that_not_every_seed_shows_says_its_p_and_a_seed_without_a_number_is_no_seed_less(tmp_path: Path) -> None:
    eight, half = [1.0, 1.2, 0.9, 1.1, 1.05, 0.95, 1.3, 0.49], [0.5] * 8
    most = pair(dict(enumerate(eight)), dict(enumerate(half)))
    without = pair(dict(enumerate([math.nan, math.inf, *eight[2:7], 1.0])), dict(enumerate(half)))
    few = pair(dict(enumerate([math.nan, math.inf, None, *eight[3:7], 1.0])), dict(enumerate(half)))
    pairs = {"loss|last": most.json(), "loss|max": without.json(), "loss|min": few.json()}
    record(tmp_path, "calm", eight, {"calm_cured": pairs})
    assert printed(tmp_path, "{compare calm calm_cured loss}") == "larger on 7 of 8 seeds (sign-flip p = 0.016)"
    assert printed(tmp_path, "{compare calm calm_cured loss max}") == "larger on 6 of 6 seeds (2 of 8 have no number)"
    assert printed(tmp_path, "{ratio calm calm_cured loss max}").endswith("on 6 of 6 seeds; 2 of 8 have no number)")
    assert printed(tmp_path, "{compare calm calm_cured loss min}").startswith("not distinguishable on 5 seeds (3 of 8 have no number; ")


def test_every_verb_is_read_from_its_own_part_of_the_record(tmp_path: Path) -> None:
    record(tmp_path, "calm", [1.0, 4.0, math.nan])
    said = [
        printed(tmp_path, text)
        for text in (
            "{band calm loss max}",
            "{count calm loss > 2}",
            "{count calm loss < 0.7}",
            "{band calm loss min}",
            "{band calm loss below(0.8)}",
            "{cite 1.5 | arXiv 2310.13545}",
            "{shown calm, calm_cured}",
            "{shown calm}",
        )
    ]
    assert said == [
        "9 (n = 3)",
        "1 of 3",
        "0 of 3",
        UNKNOWN,
        UNKNOWN,
        "1.5 (arXiv 2310.13545)",
        f"({UNKNOWN})",
        "(seen in calm)",
    ]
    record(tmp_path, "calm_cured", [1.0])
    assert printed(tmp_path, "{shown calm, calm_cured}") == "(seen in calm and calm_cured)"


def test_runs_of_another_lab_are_named_with_it(tmp_path: Path) -> None:
    record(tmp_path, "calm", [1.0])
    (tmp_path / "toy").rename(tmp_path / "other")
    assert printed(tmp_path, "{shown other/calm}") == "(seen in calm of other)"
