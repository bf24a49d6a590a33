"""Recorded curves as SVG, against records planted here: every seed, every value that is not finite, and the same in words."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from engine.core.files import write_json
from engine.declare.records import cures, values
from engine.statistics.pairs import pair
from pages.parts.gallery.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Arm, alternative, arm_of, axis_of, ending, svg
from pages.parts.gallery.posters import labels, poster, recorded
from tests.support.lab_pages import ENTRIES
from tests.support.made_records import RECORD

MOE = ENTRIES["moe"]


def planted(*seeds: list[Any], steps: list[int] | None = None, **more: Any) -> dict[str, Any]:
    """A record with one curve a seed."""
    curves = {str(i): {"step": steps or list(range(len(values))), "value": values} for i, values in enumerate(seeds)}
    return {**RECORD, "film": {"curves": curves, "vectors": {}}, **more}


def arm(*seeds: list[Any], label: str = "plain", role: Any = "broken") -> Arm:
    return arm_of(planted(*seeds), label, role)


def paths(drawing: str) -> list[tuple[str, str]]:
    """(class, d) of every path."""
    return [(one.get("class", ""), one.get("d", "")) for one in ElementTree.fromstring(drawing).iter("path")]


def points(d: str) -> list[list[tuple[int, int]]]:
    """The lines of a path, each as absolute points."""
    lines = []
    for part in filter(None, d.split("M")):
        start, _, moves = part.partition("l")
        x, y = map(int, start.split())
        line, numbers = [(x, y)], list(map(int, moves.split()))
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            line.append((x, y))
        lines.append(line)
    return lines


def test_a_curve_goes_from_corner_to_corner_and_lies_in_the_drawing() -> None:
    ((_, d),) = paths(svg([arm([0.0, 5.0, 10.0])], "Loss"))
    (line,) = points(d)
    assert line[0] == (LEFT, BOTTOM)
    assert line[-1] == (RIGHT, TOP)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in line)


def test_all_seeds_are_drawn_the_first_one_stronger() -> None:
    drawn = paths(svg([arm(*[[0.0, float(seed)] for seed in range(8)])], "Loss"))
    assert [(kind, len(points(d))) for kind, d in drawn] == [("fl-broken fl-thin", 7), ("fl-broken", 1)]


def test_a_long_curve_is_thinned_and_keeps_its_extremes() -> None:
    values = [math.sin(step / 7) for step in range(400)]
    values[123] = 40.0
    ((_, d),) = paths(svg([arm(values)], "Loss"))
    (line,) = points(d)
    assert len(line) <= 45
    assert min(y for _, y in line) == TOP, "the spike is there"


def test_values_that_are_not_finite_break_the_line_and_are_marked_at_their_edges() -> None:
    drawing = svg([arm([1.0, 2.0, "NaN", "Infinity", "-Infinity", 3.0])], "Loss")
    (_, d), (kind, marks) = paths(drawing)
    assert [len(line) for line in points(d)] == [3, 2], "0 0 begins each line"
    assert kind == "fl-broken fl-odd"
    heights = [int(y) for y in re.findall(r"M\d+ (\d+)", marks)]
    assert sorted(heights) == sorted([TOP - 6, TOP - 6, BOTTOM + 2]), "NaN and +Inf above, -Inf below"
    assert "first not finite at step 2" in drawing


def test_an_arm_that_never_was_finite_is_still_drawn() -> None:
    drawing = svg([arm(["NaN", "NaN"])], "Loss")
    assert "fl-odd" in drawing
    assert "to not finite on 1 of 1 seeds" in drawing


def test_a_logarithmic_axis_needs_positive_values() -> None:
    wanted = axis_of([arm([1.0, 100.0])], log=True)
    assert wanted is not None
    assert wanted.log
    assert wanted.y(10.0) == pytest.approx(0.5)
    other = axis_of([arm([0.0, 100.0])], log=True)
    assert other is not None
    assert not other.log
    assert "log axis" in svg([arm([1.0, 100.0])], "Loss", log=True)


def test_the_level_lies_inside_the_drawing() -> None:
    drawn = paths(svg([arm([0.0, 1.0])], "Dead experts", level=8.0))
    assert drawn[0] == ("fl-level", f"M{LEFT} {TOP}H{RIGHT}")


def test_the_words_say_what_the_lines_show() -> None:
    arms = [arm([7.0, 24.0], [5.0, 26.0], label="router softmax"), arm([7.0, 0.0], label="router loss free", role="cured")]
    words = alternative(arms, "Dead experts", 8.0)
    assert words == ("Dead experts, medians of 2 seeds. router softmax: from 6 to 25. router loss free: from 7 to 0. Dashed level: 8.")
    assert ending(arm([1.0, "NaN"], [1.0, 4.0])) == "4, not finite on 1 of 2 seeds"


def test_nothing_recorded_draws_nothing(tmp_path: Path) -> None:
    assert svg([arm_of({}, "plain", "broken")], "Loss") == ""
    assert poster(MOE, "collapse", folder=tmp_path) == ""


def test_an_arm_without_a_record_is_named_beside_those_that_have_one(tmp_path: Path) -> None:
    (tmp_path / "moe").mkdir()
    write_json(tmp_path / "moe" / "collapse.json", planted([7.0, 24.0]))
    drawn = poster(MOE, "collapse", folder=tmp_path)
    assert "softmax top k: ends at 24" in drawn
    assert "loss free: no curve recorded" in drawn


def test_a_record_of_the_same_knobs_counts_only_for_the_same_metric(tmp_path: Path) -> None:
    (tmp_path / "gnn").mkdir()
    write_json(tmp_path / "gnn" / "barbell.json", planted([7.0, 24.0]))
    assert recorded(ENTRIES["gnn"], "barbell", tmp_path)
    assert recorded(ENTRIES["gnn"], "rewirings_none", tmp_path) is None, "its curve is of another number"


def test_text_of_a_lab_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "moe").mkdir()
    write_json(tmp_path / "moe" / "collapse.json", planted([7.0, 24.0]))
    spoilt = {**MOE["presets"]["collapse"], "decides": None, "deciding": '<b onclick="x">'}
    drawn = poster({**MOE, "presets": {**MOE["presets"], "collapse": spoilt}}, "collapse", folder=tmp_path)
    assert "<b onclick" not in drawn
    ElementTree.fromstring(drawn)


def test_arms_are_called_by_the_knob_in_which_they_differ() -> None:
    presets = ENTRIES["consistency"]
    assert labels(presets, ["fourier_0", "fourier_16"]) == {"fourier_0": "fourier scale 0", "fourier_16": "fourier scale 16"}


def test_a_twin_that_ends_beyond_the_level_itself_is_no_cure() -> None:
    assert cures(ENTRIES["moe"], "collapse")
    assert cures(ENTRIES["consistency"], "unanchored")
    assert not cures(ENTRIES["consistency"], "smooth_drift"), "its twin takes the spikes out and leaves the drift"


def test_only_the_twin_of_a_preset_that_breaks_is_called_a_cure_and_its_record_bears_it_out() -> None:
    """Seed by seed its deciding number ends on the better side, with p of at most 0.05, or is finite where the other is not."""
    called = {(lab, name) for lab, one in ENTRIES.items() for name in one["presets"] if cures(one, name)}
    assert {("moe", "collapse"), ("consistency", "unanchored"), ("unet", "silent")} <= called
    assert not called & {("consistency", "calm"), ("consistency", "smooth_drift"), ("moe", "burst_spam"), ("gnn", "mesh")}
    for lab, name in called:
        preset = ENTRIES[lab]["presets"][name]
        assert preset["kind"] == "breaks"
        first, twin = recorded(ENTRIES[lab], name), recorded(ENTRIES[lab], preset["twin"])
        if first is None or twin is None:  # of a GPU
            continue
        broken, cured = (dict(enumerate(values(one, f"{preset['deciding']}|last"))) for one in (first, twin))
        if not any(v is not None and math.isfinite(v) for v in broken.values()):
            assert all(v is not None and math.isfinite(v) for v in cured.values())
            continue
        up = preset["decides"]["direction"] == "up"
        assert pair(cured, broken).direction == (-1 if up else 1), (lab, name)


def test_seeds_that_end_in_two_halves_have_no_median_that_none_of_them_came_to() -> None:
    halves = arm([1.0, 0.02], [1.0, 9e5], [1.0, 0.03], [1.0, 8e5])
    assert ending(halves) == "0.0300 or less on 2 of 4 seeds, 800,000 or more on 2"
    assert ending(arm([1.0, 2.0], [1.0, 2.5], [1.0, 3.0], [1.0, 4.0])) == "2.75"


def test_a_poster_says_what_its_thick_line_is_and_of_what_its_numbers_are(tmp_path: Path) -> None:
    (tmp_path / "moe").mkdir()
    write_json(tmp_path / "moe" / "collapse.json", planted([7.0, 24.0], [7.0, 26.0]))
    assert "medians of 2 seeds, thick: first" in poster(MOE, "collapse", folder=tmp_path)
