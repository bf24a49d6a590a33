"""The gallery with every real lab: posters, groups, filters, what a press starts, and what it weighs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.testing.v1 import AppTest

from engine.core.files import write_json
from engine.declare.measured import fill
from engine.declare.records import recorded
from engine.runs.folder import all_runs, run_folder
from engine.runs.sweep_file import read_sweep, sweep_ids
from engine.server import service as service_module
from engine.server.service import Service
from pages.parts.cards import presses, sentences
from pages.parts.gallery.posters import arms_of_preset, poster, shown_presets
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import ENTRIES, button, collapse

LIMIT = 400_000  # bytes of all that the gallery sends
LABS = fill({"labs": list(ENTRIES.values())})["labs"]
OF = {lab["lab"]: lab for lab in LABS}
ALL = sum(len(shown_presets(lab)) for lab in LABS)


@pytest.fixture
def real_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service over an empty folder that knows every lab and starts nothing."""
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    known = {"state": "ready", "labs": LABS, "probes": [], "errors": [], "seconds": 0.0, "says": ""}
    monkeypatch.setattr(Service, "labs", lambda self: known)
    monkeypatch.setattr(Service, "wait_for_labs", lambda self, seconds=0: known)
    monkeypatch.setattr("engine.server.service._Catalog.refresh", lambda self: None)
    yield service_module.service()
    service_module.close()


def headings(test: AppTest) -> list[str]:
    return [m.value.removeprefix("### ") for m in test.markdown if m.value.startswith("### ")]


def press(test: AppTest, key: str) -> None:
    next(b for b in test.button if b.key == key).click()
    test.run()
    assert not test.exception, test.exception


# -- what is shown -------------------------------------------------------------------------------------


def test_three_showcases_stand_on_top_in_the_order_that_teaches(real_labs: Service) -> None:
    test = opened()
    assert test.header[0].value == "Start here"
    assert headings(test)[:3] == ["Collapse", "Learning-rate burst", "Skips"]
    assert len(headings(test)) == ALL, "each preset has one card"


def test_the_presets_of_a_lab_stand_under_what_they_are(real_labs: Service) -> None:
    test = opened()
    assert {one.value for one in test.subheader} == {"Breaks", "Cures compared", "Controls"}
    for lab in LABS:
        for name, preset in shown_presets(lab).items():
            labels = [label for label, _, _ in presses(lab, name)]
            assert any("Break" in label for label in labels) == (preset["kind"] == "breaks"), (name, labels)


def test_a_card_shows_the_model_broken_beside_cured_and_says_the_same_in_words(real_labs: Service) -> None:
    posters = [m.value for m in opened().markdown if "fl-poster" in m.value]
    pictured = [html for html in posters if "fl-stills" in html]
    assert len(pictured) >= 15
    collapse_card = posters[0]
    assert collapse_card.count("<img ") == 2
    assert collapse_card.index("preset=collapse&amp;") < collapse_card.index("preset=collapse_cured&amp;")
    assert re.search(r"In this batch \d+ of 32 experts get less than a tenth of an equal share", collapse_card), (
        "the chart counts on a running average"
    )
    assert all(html.count("<img ") == html.count('loading="lazy"') == html.count(" alt=") for html in pictured)


def test_every_preset_says_how_hard_it_is_and_what_happens_in_it() -> None:
    for lab in LABS:
        for name, preset in shown_presets(lab).items():
            assert preset["phenomena"], name
            assert preset["difficulty"] in ("introductory", "intermediate", "advanced")


def test_every_card_has_a_picture_that_says_the_same_in_words() -> None:
    for lab in LABS:
        for name in shown_presets(lab):
            drawn = poster(lab, name)
            assert bool(drawn) == any(recorded(lab, arm) for arm in arms_of_preset(lab, name)), name
            assert '<svg viewBox="' in drawn
            assert 'role="img" aria-label="' in drawn


def test_a_preset_that_nobody_recorded_has_no_picture_and_says_so(real_labs: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.declare.records.record", lambda path: None)
    test = opened()
    assert "Not recorded yet" in said(test)
    assert "<svg" not in said(test)
    assert "time not measured yet" in said(test)


def test_the_time_is_that_of_this_machine_once_a_run_of_that_size_was_measured(real_labs: Service) -> None:
    assert "CPU-seconds a run on" in said(opened())
    run = collapse(real_labs.data)
    write_json(real_labs.data / "runs" / run / "state.json", {"step_seconds": 0.1})
    real_labs.supervisor.stop(run)
    assert "about 30 s a run on this machine" in said(opened())


def test_the_gallery_sends_little(real_labs: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    enqueue = ForwardMsgQueue.enqueue

    def counted(self: ForwardMsgQueue, message: Any, *rest: Any, **more: Any) -> Any:
        sizes.append(message.ByteSize())
        return enqueue(self, message, *rest, **more)

    monkeypatch.setattr(ForwardMsgQueue, "enqueue", counted)
    opened()
    assert 100_000 < sum(sizes) <= LIMIT, f"{sum(sizes):,} bytes in {len(sizes)} messages"


# -- filters -------------------------------------------------------------------------------------------


def test_a_phenomenon_a_paper_and_a_word_narrow_the_gallery(real_labs: Service) -> None:
    test = opened()
    test.selectbox(key="phenomenon").set_value("expert collapse").run()
    assert sorted(headings(test)) == ["Collapse", "Even batches", "Flipped bias"]
    assert f"3 of {ALL} presets" in said(test)
    test.selectbox(key="phenomenon").set_value(None).run()
    test.selectbox(key="paper").set_value("arXiv 2402.06184").run()
    assert len(headings(test)) == len(shown_presets(OF["trainability"]))
    test.selectbox(key="paper").set_value(None).run()
    test.text_input(key="search").set_value("sinkhorn").run()
    assert headings(test) == ["Sharper plan"]


def test_the_address_opens_a_filtered_gallery(real_labs: Service) -> None:
    test = opened(phenomenon="loss spike")
    assert {"Learning-rate burst", "Burst clip"} <= set(headings(test))
    assert "Collapse" not in headings(test)


def test_a_search_that_fits_nothing_says_so(real_labs: Service) -> None:
    test = opened(search="zebra")
    assert not headings(test)
    assert f"0 of {ALL} presets" in said(test)


# -- what a press starts -------------------------------------------------------------------------------


def test_a_ladder_starts_every_arm_with_the_same_seed_and_shows_all_of_them(real_labs: Service) -> None:
    test = opened()
    press(test, "arms_consistency_fourier")
    runs = [folder.run for folder in all_runs(real_labs.data)]
    shown = test.query_params["run"]
    assert sorted((shown if isinstance(shown, str) else shown[0]).split(",")) == sorted(runs)
    specs = [run_folder(real_labs.data, run).spec() or {} for run in runs]
    assert {spec["knobs"]["fourier_scale"] for spec in specs} == {0, 4, 16}
    assert {spec["knobs"]["seed"] for spec in specs} == {0}


def test_seeds_are_counted_before_they_start_and_open_the_comparison(real_labs: Service) -> None:
    test = opened()
    press(test, "seeds_moe_collapse")
    assert "**6 runs, " in said(test), "three seeds of the preset and of its cure"
    assert not all_runs(real_labs.data), "nothing starts before the press"
    test.segmented_control(key="seeds_count").set_value(8).run()
    assert "**16 runs, " in said(test)
    button(test, "Start 16 runs").click()
    test.run()
    assert not test.exception
    (sweep,) = sweep_ids(real_labs.data)
    assert test.query_params["sweep"] in (sweep, [sweep])
    members = read_sweep(real_labs.data, sweep).members
    assert len(members) == len(all_runs(real_labs.data)) == 16
    assert {member.knobs["seed"] for member in members} == set(range(8))


def test_seeds_that_are_refused_are_one_sentence(real_labs: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_more: Any) -> str:
        raise OSError("No space left on device.")

    monkeypatch.setattr("engine.server.sweeps.create", refuse)
    test = opened()
    press(test, "seeds_moe_healthy")
    button(test, "Start 3 runs").click()
    test.run()
    assert "Nothing was started. No space left on device." in said(test)


@pytest.mark.parametrize(
    ("story", "first", "rest"),
    [("One. Two. Three.", "One.", "Two. Three."), ("Is it 0.5? Yes.", "Is it 0.5?", "Yes."), ("One", "One", "")],
)
def test_a_story_is_told_by_its_first_sentence(story: str, first: str, rest: str) -> None:
    assert sentences(story) == (first, rest)
