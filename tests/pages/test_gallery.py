"""The gallery: posters of recorded curves, an order that teaches, filters, and buttons that start all that a card promises."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from streamlit.testing.v1 import AppTest

from engine.core.paths import ROOT
from engine.declare.resolve import Declaration
from engine.server.service import Service
from pages.parts.gallery.curves import BOTTOM, TOP, drawn, picture, spoken
from pages.parts.gallery.filters import cards_of, every, in_order, showcases
from pages.parts.gallery.recorded import Arm, arms_of, cost, recorded
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import ENTRIES, button

LABS = list(ENTRIES.values())
MOST_BYTES = 400_000  # that the gallery sends over the socket
CARDS = [(lab["lab"], name) for lab, name in every(LABS)]


def headings(test: AppTest) -> list[str]:
    return [one.value for one in (*test.header, *test.subheader)]


def arm(*seeds: list[float], name: str = "", short: str = "") -> Arm:
    return Arm(name, tuple(tuple(enumerate(values)) for values in seeds), short)


# -- the page ---------------------------------------------------------------------------------------


def test_one_starts_with_three_showcases_in_the_order_that_teaches() -> None:
    assert [(lab["lab"], name) for lab, name in showcases(LABS)] == [("moe", "collapse"), ("moe", "lr_burst"), ("unet", "skips")]
    assert [lab["lab"] for lab in in_order(LABS)][:2] == ["moe", "unet"]


def test_every_preset_has_one_card_under_its_kind_and_the_page_is_small(lab_service: Service) -> None:
    test = opened("home.py")
    shown = headings(test)
    assert shown.index("Start here") < shown.index("Breaks")
    titles = [m.value for m in test.markdown if m.value.startswith("### ")]
    assert len(titles) == len(CARDS)
    sent = sum(element.proto.ByteSize() for element in test.main if getattr(element, "proto", None) is not None)
    assert 0 < sent <= MOST_BYTES
    assert sum(len(one.proto.body) for one in test.get("html")) <= MOST_BYTES


@pytest.mark.parametrize(("lab", "name"), CARDS)
def test_a_card_breaks_something_only_where_something_breaks_and_names_what_happens(lab: str, name: str) -> None:
    preset = ENTRIES[lab]["presets"][name]
    assert preset["phenomena"], "the gallery is filtered by what happens"
    assert preset["difficulty"] in ("introductory", "intermediate", "advanced")
    assert preset["kind"] != "control" or not preset["level"]
    assert {one for _, _, one in arms_of(ENTRIES[lab], name)} <= set(ENTRIES[lab]["presets"])


def test_filters_show_what_fits_all_of_them_and_stand_in_the_address(lab_service: Service) -> None:
    test = opened("home.py", shows="over-smoothing")
    assert "1 of" in headings(test)[0]
    assert [m.value for m in test.markdown if m.value.startswith("### ")] == ["### Over smoothing"]
    test.text_input(key="q").set_value("router")
    test.run()
    assert headings(test)[0] == "No experiment fits"
    test.multiselect(key="shows").set_value([])
    test.run()
    assert "### Collapse" in [m.value for m in test.markdown]
    assert "### Over smoothing" not in [m.value for m in test.markdown]


def test_a_ladder_starts_every_arm_with_one_seed(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[Declaration] = []

    def launch(self: Service, declarations: list[Declaration], who: str | None = None) -> list[str]:
        launched.extend(declarations)
        raise OSError("No space left on device.")

    monkeypatch.setattr(Service, "launch_many", launch)
    test = opened("home.py", q="sharper")
    button(test, "Compare 3").click()
    test.run()
    assert [one.flat["router.temperature"] for one in launched] == [1.0, 0.1, 0.03]
    assert [one.preset for one in launched] == ["sharper_plan_1.0", "sharper_plan_0.1", "sharper_plan_0.03"]
    assert len({one.flat["seed"] for one in launched}) == 1
    assert "Nothing was started. No space left on device." in said(test)


# -- the picture ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lab", "name"), CARDS)
def test_a_recorded_card_shows_its_records_and_says_the_same_in_words(lab: str, name: str) -> None:
    arms = recorded(ENTRIES[lab], name)
    if not arms:
        pytest.skip("nothing is recorded of it: docs/measured/UNMEASURED or a GPU")
    html = picture(arms, "Title", "light", pair=len(arms) == 2)
    assert len(html) < 9_000
    words = re.search(r'alt="(.*?)"', html)
    assert words
    assert f"recorded with {max(len(one.seeds) for one in arms)} seeds" in words[1]
    svg = unquote(html.partition("data:image/svg+xml,")[2].partition('"')[0])
    assert svg.startswith("<svg")
    assert svg.endswith("</svg>")
    assert not re.search("script|href|NaN|nan|inf", svg)
    known = cost(ENTRIES[lab], name)
    assert known is None or known[0] > 0


def test_the_curve_of_a_record_is_the_one_that_is_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "moe"
    folder.mkdir()
    real = json.loads((ROOT / "docs" / "measured" / "moe" / "collapse.json").read_text("utf-8"))
    curve = {"step": [0, 10, 20, 30], "value": [1.0, "NaN", 3.0, "Infinity"]}
    real["film"]["curves"] = {"1": curve}
    (folder / "collapse.json").write_text(json.dumps(real))
    (one,) = recorded(ENTRIES["moe"], "collapse", tmp_path)
    assert (one.name, [step for step, _ in one.seeds[0]]) == ("broken", [0, 10, 20, 30])
    values = [value for _, value in one.seeds[0]]
    assert (values[0], values[2], values[3]) == (1.0, 3.0, math.inf)
    assert math.isnan(values[1])
    assert cost(ENTRIES["moe"], "collapse", tmp_path) is None, "its cure has no record there"


def test_the_line_breaks_where_a_value_is_no_number_and_the_band_spans_all_seeds() -> None:
    svg = drawn([arm([0.0, 1.0, math.nan, 3.0, 4.0], [0.0, 2.0, 2.0, 2.0, 8.0])], "t", "dark", pair=False)
    (line,) = [path for path in re.findall(r'<path d="(M[^"]*)" fill="none" stroke="#56B4E9" stroke-width="2"/>', svg) if "l6" not in path]
    assert line.count("M") == 2
    assert re.search(r'd="M[\d.]+ [\d.]+l6 6', svg), "and a cross stands there"
    heights = [float(y) for y in re.findall(r" ([\d.]+)(?:L|z)", re.findall(r'<path d="([^"]*z)"', svg)[0])]
    assert (min(heights), max(heights)) == (TOP, BOTTOM)


def test_a_logarithmic_axis_is_taken_for_powers_of_ten_and_never_with_a_zero() -> None:
    assert "(log)" in drawn([arm([1.0, 1e4])], "t", "light", pair=False)
    assert "(log)" not in drawn([arm([0.0, 1e4])], "t", "light", pair=False)
    assert "(log)" not in drawn([arm([1.0, 2.0])], "t", "light", pair=False)
    assert drawn([Arm("", ())], "t", "light", pair=False) == ""


def test_words_give_the_ends_of_all_seeds_and_count_what_is_no_number() -> None:
    arms = [arm([1.0, 2.0], [1.0, 5.0], name="broken"), arm([1.0, math.nan], name="cured")]
    assert spoken(arms, "Loss") == "Loss, recorded with 2 seeds. broken: ends at 2 to 5; cured: 1 of 1 end at no finite number."


def test_labels_of_a_ladder_name_the_knob_and_its_values() -> None:
    assert arms_of(ENTRIES["moe"], "sharper_plan")[0] == ("temperature 1", "1", "sharper_plan_1.0")
    assert [label for label, _, _ in arms_of(ENTRIES["moe"], "collapse")] == ["broken", "cured"]
    assert [label for label, _, _ in arms_of(ENTRIES["unet"], "skips")] == ["unchanged", "changed"]
    assert "healthy" in cards_of(ENTRIES["moe"])


def test_a_name_with_marks_stays_a_name() -> None:
    svg = drawn([arm([1.0, 2.0], name="k <b>", short="<b>"), arm([1.0, 2.0], name="k x", short="x")], "<i>", "light", pair=False)
    assert "<b>" not in svg
    assert "<i>" not in svg
