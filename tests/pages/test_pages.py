"""Every page answers in every state a person can meet it in, without a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.core.paths import ROOT
from engine.server import service as service_module
from engine.server.service import Service
from tests.support.made_runs import KNOBS, MadeRun, finished_run, finished_twins

SHELL = str(ROOT / "pages" / "shell.py")

PRESET = {"story": "Most experts end up idle.", "see": "dead experts", "gpu": None, "grid": None, "kind": "breaks"}
PRESET |= {"deciding": "", "decides": None, "level": None, "breaks_at": None, "order": 0, "difficulty": "introductory", "phenomena": []}
KNOB: dict[str, Any] = {"kind": "int", "choices": [], "unit": "", "group": "training", "min": 0, "max": 1_000_000, "optional": False}
LAB: dict[str, Any] = {
    "lab": "moe",
    "title": "Mixture of Experts",
    "icon": "",
    "story": "A router sends each byte to one expert.",
    "papers": ["arXiv 2101.03961"],
    "knobs": [
        {**KNOB, "name": "steps", "default": 300, "unit": "steps", "about": "optimizer steps"},
        {**KNOB, "name": "seed", "default": 0, "about": "seed"},
        {**KNOB, "name": "device", "kind": "option", "default": "cpu", "choices": [{"name": "cpu"}], "about": "where"},
        {**KNOB, "name": "threads", "default": 1, "about": "threads"},
    ],
    "presets": {
        "collapse": {**PRESET, "twin": "collapse_cured", "knobs": {}},
        "collapse_cured": {**PRESET, "twin": None, "knobs": {}, "broken": "collapse"},
        "healthy": {**PRESET, "twin": None, "knobs": {}, "kind": "control"},
    },
}


@pytest.fixture
def lab_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service over an empty folder whose labs are known at once, and which starts nothing."""
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    monkeypatch.setattr(
        Service, "labs", lambda self: {"state": "ready", "labs": [LAB], "probes": [], "errors": [], "seconds": 0.0, "says": ""}
    )
    monkeypatch.setattr("engine.server.service._Catalog.refresh", lambda self: None)
    yield service_module.service()
    service_module.close()


def opened(page: str = "", **query: str) -> AppTest:
    test = AppTest.from_file(SHELL, default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    if page:
        test.switch_page(page)
        for name, value in query.items():
            test.query_params[name] = value
        test.run()
    assert not test.exception, test.exception
    return test


def said(test: AppTest) -> str:
    parts = [*test.title, *test.markdown, *test.caption, *test.error, *test.warning, *test.info]
    return "\n".join(part.value for part in parts)


def taken_in(lab_service: Service, *runs: MadeRun) -> None:
    """Let the owner read what was written."""
    for made in runs:
        for _ in range(200):
            lab_service.owner.step()
            if lab_service.store.names(made.run):
                break


def test_the_gallery_shows_one_card_for_each_preset_and_none_for_a_twin(lab_service: Service) -> None:
    test = opened()
    assert [b.label for b in test.button] == ["Break it", "Break it and cure it", "× seeds", "Run it", "× seeds"]
    assert "Most experts end up idle." in said(test)


def test_the_gallery_holds_places_while_the_labs_are_read(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"labs": [], "probes": [], "errors": []}
    monkeypatch.setattr(Service, "labs", lambda self: {**nothing, "state": "computing", "seconds": 3.0, "says": "importing torch"})
    test = opened()
    assert not test.button
    progress = [e for e in test.main if e.type == "progress"] or test.get("progress")
    assert "importing torch" in progress[0].proto.text


def test_a_lab_that_cannot_be_read_has_its_own_card(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"file": "engine/labs/moe/odd.py", "says": "SyntaxError: invalid syntax", "kind": "lab", "name": "odd"}
    monkeypatch.setattr(
        Service, "labs", lambda self: {"state": "ready", "labs": [LAB], "probes": [], "errors": [error], "seconds": 0.0, "says": ""}
    )
    test = opened()
    assert "engine/labs/moe/odd.py" in said(test)
    assert len(test.button) == 5, "the good cards are still there"


def test_labs_that_failed_say_why_and_offer_to_try_again(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"labs": [], "probes": [], "errors": []}
    monkeypatch.setattr(Service, "labs", lambda self: {**nothing, "state": "failed", "seconds": 1.0, "says": "torch cannot be imported."})
    test = opened()
    assert "torch cannot be imported." in said(test)
    assert [b.label for b in test.button] == ["Read the labs again"]


def test_a_press_launches_the_twins_and_opens_their_page(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, cured = finished_twins(lab_service.data)
    taken_in(lab_service, broken, cured)
    monkeypatch.setattr(Service, "launch_twins", lambda self, lab, preset, given=None, who=None: (broken.run, cured.run))
    test = opened()
    next(b for b in test.button if b.label == "Break it and cure it").click()
    test.run()
    assert not test.exception
    assert test.query_params["run"] == f"{broken.run},{cured.run}"


def test_a_refused_launch_is_one_sentence(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Service, *_args: Any, **_more: Any) -> str:
        raise OSError("No space left on device.")

    monkeypatch.setattr(Service, "launch", refuse)
    test = opened()
    test.button[0].click()
    test.run()
    assert "Nothing was started. No space left on device." in said(test)


def test_the_run_page_without_a_run_says_where_to_start(lab_service: Service) -> None:
    test = opened("run.py")
    assert "No run chosen" in said(test)
    assert "gallery" in said(test)


@pytest.mark.parametrize("run", ["20260101-000000-moe-beef", "../../etc/passwd", "<b>x</b>"])
def test_an_unknown_run_is_an_answer_and_no_exception(lab_service: Service, run: str) -> None:
    test = opened("run.py", run=run)
    assert "There is no run" in said(test)


def test_the_run_page_shows_twins_with_what_differs(lab_service: Service) -> None:
    broken, cured = finished_twins(lab_service.data, steps=40)
    taken_in(lab_service, broken, cured)
    test = opened("run.py", run=f"{cured.run},{broken.run}")
    text = said(test)
    assert "Mixture of Experts: Collapse" in text
    assert "**`router`** **softmax_top_k** (balance_weight 0) → **loss_free** (" in text, (
        "the broken twin comes first, however they are named"
    )
    for heading in ("Loss", "Gradient norm", "Who gets the tokens", "Dead experts", "Events"):
        assert f"##### {heading}" in text
    assert not [b for b in test.button if b.label == "Stop"], "nothing to stop"


def test_a_young_run_already_has_its_charts(lab_service: Service) -> None:
    made = MadeRun(lab_service.data).declare()
    test = opened("run.py", run=made.run)
    assert "##### Loss" in said(test)
    assert [b.label for b in test.button] == ["Hold", "Stop", "Duplicate"]
    made.end("stopped")


@pytest.mark.parametrize(("state", "drawn"), [("computing", []), ("ready", ["Loss"]), ("failed", ["Loss", "Gradient norm", "Events"])])
def test_the_server_imports_only_charts_that_a_child_has_tried(
    lab_service: Service, monkeypatch: pytest.MonkeyPatch, state: str, drawn: list[str]
) -> None:
    document = {"labs": [], "probes": [], "errors": [], "seconds": 1.0, "says": "", "state": state}
    monkeypatch.setattr(Service, "labs", lambda self: document | ({"charts": ["losses"]} if state == "ready" else {}))
    made = MadeRun(lab_service.data).declare()
    text = said(opened("run.py", run=made.run))
    assert [title for title in ("Loss", "Gradient norm", "Events") if f"##### {title}\n" in text] == drawn
    assert ("as soon as the labs have been read" in text) == (state == "computing")
    made.end("stopped")


def test_a_failed_run_says_what_happened_and_where_to_look(lab_service: Service) -> None:
    made = MadeRun(lab_service.data).declare().end("failed", message="RuntimeError: the data folder is full.")
    taken_in(lab_service)
    test = opened("run.py", run=made.run)
    assert "the data folder is full" in said(test)
    assert "**Log**" in said(test)


def test_the_gallery_lists_what_ran_last(lab_service: Service) -> None:
    made = finished_run(lab_service.data, steps=20)
    taken_in(lab_service, made)
    test = opened()
    assert "Latest runs" in said(test)
    assert "finished" in said(test)


def test_what_ran_last_under_one_name_is_told_apart(lab_service: Service) -> None:
    for seed, lr in ((0, 1e-3), (0, 1e-2), (4, 1e-3)):
        MadeRun(lab_service.data, steps=5, knobs=KNOBS | {"seed": seed, "lr": lr}).declare().end()
    MadeRun(lab_service.data, steps=5, preset="healthy", knobs=KNOBS | {"seed": 9}).declare().end()
    lab_service.owner.catch_up()
    lines = [caption.value for caption in opened().caption]
    assert [line for line in lines if "=" in line] == ["seed=4, lr=0.001", "seed=0, lr=0.01", "seed=0, lr=0.001"]


def test_no_page_hides_a_package_or_a_module_of_python() -> None:
    ours = {p.name for p in ROOT.iterdir() if (p / "__init__.py").exists()} | {"app", "tests"}
    for page in (ROOT / "pages").glob("*.py"):
        if not page.stem.startswith("_"):
            assert page.stem not in ours | set(sys.stdlib_module_names), f"pages/{page.name} would hide a module of that name"


def test_the_shell_takes_its_own_folder_off_the_path(lab_service: Service) -> None:
    before = list(sys.path)
    try:
        opened()
        assert str(ROOT / "pages") not in sys.path
    finally:
        sys.path[:] = before
