"""The form, the table of runs and the machine page answer in every state, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine import estimate
from engine import service as service_module
from engine.again import asked, described, given, preset_knobs
from engine.catalog import Catalog
from engine.commands.doctor import examine
from engine.declaration import declare, nested
from engine.folder import new_run, run_folder
from engine.knobs import unnest
from engine.lab import Lab, entry
from engine.service import Service
from tests.made_runs import MadeRun, finished_run, finished_twins, readings
from tests.test_pages import opened, said, taken_in

ENTRIES = {name: entry(name, lab) for name, lab in Catalog("engine.labs", Lab).load()[0].items()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service over an empty folder that knows every lab at once and starts no run and no zygote."""
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    nothing = {"probes": [], "errors": [], "seconds": 0.0, "says": ""}
    document = {"labs": list(ENTRIES.values()), **nothing}
    monkeypatch.setattr(Service, "labs", lambda self: {"state": "ready", **document})
    monkeypatch.setattr(Service, "wait_for_labs", lambda self, seconds=0: document)
    monkeypatch.setattr("engine.service._Catalog.refresh", lambda self: None)
    monkeypatch.setattr("engine.supervisor.Supervisor.start", lambda self: None)
    monkeypatch.setattr("engine.executors.zygote.Zygote.start", lambda self: None)
    yield service_module.service()
    service_module.close()


def fields(test: AppTest) -> dict[str, Any]:
    """Knob name -> its field, by the head of its label."""
    widgets = [*test.text_input, *test.selectbox, *test.toggle, *test.segmented_control]
    return {w.label.partition(": ")[0]: w for w in widgets if ": " in w.label}


def button(test: AppTest, label: str) -> Any:
    found = [b for b in test.button if b.label == label]
    assert len(found) == 1, f"{label}: {[b.label for b in test.button]}"
    return found[0]


def collapse(data: Path, **knobs: Any) -> str:
    """A declared run of the moe lab with its real knobs; it counts as queued."""
    flat = declare(ENTRIES["moe"], "collapse", {"device": "cpu", **knobs})
    spec = {"preset": "collapse", "knobs": nested(ENTRIES["moe"], flat), "who": "a test", "parent": None, "twin": None, "sweep": None}
    return new_run(data, "moe", spec).run


# -- build -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lab", ENTRIES)
def test_the_form_has_one_field_for_every_knob_of_every_lab(here: Service, lab: str) -> None:
    preset = next(iter(ENTRIES[lab]["presets"]))
    test = opened("build.py", lab=lab, preset=preset)
    assert set(fields(test)) == set(described(ENTRIES[lab], preset_knobs(ENTRIES[lab], preset)))
    for spec in ENTRIES[lab]["knobs"]:
        for choice in spec["choices"] if spec["kind"] == "question" else ():
            test = opened("build.py", lab=lab, preset=preset, knobs=f"{spec['name']}={choice['name']}")
            inner = {f"{spec['name']}.{one['name']}" for one in choice["knobs"]}
            assert {name for name in fields(test) if name.startswith(f"{spec['name']}.")} == inner
            assert choice["idea"] in said(test)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("lr", "-1", "lr=-1 is out of bounds; give a number from 0 to 10000."),
        ("steps", "many", "steps=many is not a number"),
        ("seed", "0.5", "seed=0.5 is not a whole number"),
        ("steps", "", "steps received nothing"),
        ("router.k", "65", "router.k=65 is out of bounds"),
        ("device", "abacus", "device=abacus is no device"),
    ],
)
def test_a_bad_value_is_answered_in_one_sentence_and_cannot_be_launched(here: Service, name: str, value: str, sentence: str) -> None:
    test = opened("build.py", lab="moe", preset="collapse")
    fields(test)[name].set_value(value)
    test.run()
    assert not test.exception
    assert sentence in said(test)
    assert len({e.value for e in test.error}) == 1
    assert button(test, "Launch").disabled
    assert button(test, "Launch with its cure").disabled
    assert not test.code, "no command line for what cannot be run"


def test_a_changed_field_is_marked_shown_as_a_command_and_launched(here: Service) -> None:
    test = opened("build.py", lab="moe", preset="collapse")
    assert "The same as the preset Collapse" in said(test)
    assert test.code[0].value == "python -m engine run moe --preset collapse"
    fields(test)["lr"].set_value("3e-3")
    test.run()
    assert "1 changed" in said(test)
    assert "was 0.001" in said(test)
    assert test.code[0].value == "python -m engine run moe --preset collapse lr=0.003"
    assert test.query_params["knobs"] == "lr=0.003", "the link carries the change"
    button(test, "Launch").click()
    test.run()
    run = test.query_params["run"]
    spec = run_folder(here.data, run if isinstance(run, str) else run[0]).spec() or {}
    assert (spec["preset"], spec["knobs"]["lr"]) == ("collapse", 0.003)


def test_another_answer_brings_its_own_knobs_and_may_leave_the_cure_nothing_to_do(here: Service) -> None:
    test = opened("build.py", lab="moe", preset="collapse")
    fields(test)["router"].set_value("hash")
    test.run()
    assert not [name for name in fields(test) if name.startswith("router.")]
    assert button(test, "Launch with its cure").disabled
    assert not button(test, "Launch").disabled
    assert test.code[0].value.endswith("--preset collapse router=hash")


def test_duplicate_fills_the_form_from_the_run_and_marks_what_leaves_it(here: Service) -> None:
    run = collapse(here.data, lr=0.02, seed=3)
    test = opened("build.py", **{"from": run})
    assert f"The same as the run `{run}`" in said(test)
    assert (fields(test)["lr"].value, fields(test)["seed"].value, fields(test)["data_seed"].value) == ("0.02", "3", "")
    assert "changed" not in said(test)
    fields(test)["seed"].set_value("4")
    test.run()
    assert "1 changed" in said(test)
    assert "was 3" in said(test)
    assert test.code[0].value == "python -m engine run moe --preset collapse seed=4 device=cpu lr=0.02"


def test_duplicating_a_run_that_is_gone_says_so(here: Service) -> None:
    test = opened("build.py", **{"from": "20260101-000000-moe-beef"})
    assert "There is no run `20260101-000000-moe-beef` to duplicate" in said(test)
    assert fields(test)


def test_what_an_old_run_had_and_the_lab_no_longer_has_is_named() -> None:
    lab = ENTRIES["moe"]
    flat = declare(lab, "collapse", {})
    spec = {"preset": "vanished", "knobs": nested(lab, flat) | {"phlogiston": 3, "steps": -4}}
    preset, knobs, lost = asked(lab, spec)
    assert preset is None
    assert lost == ["preset vanished", "steps=-4", "phlogiston"]
    assert knobs["steps"] == 300


@pytest.mark.parametrize("preset", ENTRIES["moe"]["presets"])
def test_preset_and_what_leaves_it_give_the_declaration_again(preset: str) -> None:
    lab = ENTRIES["moe"]
    for over in ({}, {"lr": 0.5}, {"router": "hash"}, {"router": "loss_free", "router.k": 2}, {"data_seed": 7}):
        flat = declare(lab, preset, over)
        _, knobs, _ = asked(lab, {"preset": preset, "knobs": nested(lab, flat)})
        assert declare(lab, preset, given(lab, preset, knobs)) == flat


def test_an_estimate_comes_from_runs_of_the_same_size_alone(here: Service) -> None:
    lab = ENTRIES["moe"]
    flat = declare(lab, "collapse", {"device": "cpu"})
    assert estimate.seconds(here.data, lab, flat) is None
    assert "No estimate yet" in said(opened("build.py", lab="moe", preset="collapse"))
    for _ in range(2):
        folder = run_folder(here.data, collapse(here.data, lr=0.1, steps=7))
        (folder.path / "state.json").write_text('{"step": 7, "step_seconds": 0.5}')
    assert estimate.seconds(here.data, lab, flat) == (150.0, 2)
    assert estimate.seconds(here.data, lab, flat | {"d_model": 128}) is None
    assert "about 2 min, as measured in 2 earlier runs" in said(opened("build.py", lab="moe", preset="collapse", knobs="device=cpu"))


# -- runs --------------------------------------------------------------------------------------------


def shown(test: AppTest) -> list[str]:
    return list(test.dataframe[0].value["run"]) if test.dataframe else []


def ticked(here: Service, monkeypatch: pytest.MonkeyPatch, *runs: str) -> AppTest:
    """The table with these rows ticked, which an AppTest cannot do by hand."""
    real = __import__("streamlit").dataframe

    def dataframe(frame: Any, **options: Any) -> Any:
        real(frame, **options)
        return {"selection": {"rows": [n for n, run in enumerate(frame["run"]) if run in runs]}}

    monkeypatch.setattr("streamlit.dataframe", dataframe)
    return opened("runs.py")


def test_without_runs_the_table_says_which_button_to_press(here: Service) -> None:
    assert "Press **Break it** on a card of the gallery" in said(opened("runs.py"))


def test_the_table_shows_runs_with_their_curves_and_filters_them_by_the_address(here: Service) -> None:
    broken, cured = finished_twins(here.data, steps=30)
    healthy = finished_run(here.data, preset="healthy", healthy=True, steps=30)
    failed = MadeRun(here.data, preset="lr_burst").declare().end("failed", says="no")
    taken_in(here, broken, cured, healthy)
    here.owner.step()
    test = opened("runs.py")
    assert set(shown(test)) == {broken.run, cured.run, healthy.run, failed.run}
    frame = test.dataframe[0].value.set_index("run")
    assert frame.loc[healthy.run, "status"] == "✓ finished"
    assert frame.loc[healthy.run, "loss"][0] == pytest.approx(readings(0, healthy=True)[0]["loss/train"])
    assert len(frame.loc[failed.run, "loss"]) == 0
    assert set(shown(opened("runs.py", status="failed"))) == {failed.run}
    assert set(shown(opened("runs.py", text="healthy finished"))) == {healthy.run}
    assert set(shown(opened("runs.py", lab="moe", text=broken.run))) == {broken.run}
    nothing = opened("runs.py", text="phlogiston")
    assert not shown(nothing)
    assert "No run fits" in said(nothing)


def test_only_columns_that_differ_shows_the_knobs_that_differ(here: Service) -> None:
    collapse(here.data, lr=0.1)
    collapse(here.data, lr=0.2, seed=5)
    here.owner.step()
    frame = opened("runs.py", differing="true").dataframe[0].value
    assert set(frame.columns) == {"status", "lr", "seed", "data_seed", "run"}
    assert set(frame["lr"]) == {"0.1", "0.2"}


def test_ticked_rows_are_compared_on_the_run_page(here: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, cured = finished_twins(here.data, steps=20)
    taken_in(here, broken, cured)
    test = ticked(here, monkeypatch, broken.run, cured.run)
    button(test, "Compare").click()
    test.run()
    assert not test.exception
    assert sorted(
        ",".join(test.query_params["run"]).split(",") if isinstance(test.query_params["run"], list) else test.query_params["run"].split(",")
    ) == sorted([broken.run, cured.run])


def test_delete_asks_first_and_deletes_what_has_ended(here: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made = finished_run(here.data, steps=20)
    living = MadeRun(here.data).declare()
    taken_in(here, made)
    test = ticked(here, monkeypatch, made.run, living.run)
    button(test, "Delete").click()
    test.run()
    assert made.folder.path.exists(), "only asked"
    assert f"this run: `{made.run}`" in said(test)
    assert f"`{living.run}` is running; stop it first" in said(test)
    button(test, "Delete it").click()
    test.run()
    assert not test.exception
    assert not made.folder.path.exists()
    assert living.folder.path.exists()
    assert shown(test) == [living.run]
    living.end("stopped")


# -- the run page's buttons --------------------------------------------------------------------------


def labels(test: AppTest) -> list[str]:
    return [b.label for b in test.button]


def test_each_status_has_the_buttons_that_make_sense(here: Service) -> None:
    made = MadeRun(here.data).declare()
    test = opened("run.py", run=made.run)
    assert labels(test) == ["Hold", "Stop", "Duplicate"]
    button(test, "Hold").click()
    test.run()
    assert (made.folder.path / "HOLD").exists()
    assert labels(test) == ["Continue", "Stop", "Duplicate"]
    assert "held" in said(test)
    button(test, "Continue").click()
    test.run()
    assert not (made.folder.path / "HOLD").exists()
    made.end("stopped")
    assert labels(opened("run.py", run=made.run)) == ["Resume", "Run again", "Duplicate", "Delete"]
    finished = finished_run(here.data, steps=10)
    assert labels(opened("run.py", run=finished.run)) == ["Run again", "Duplicate", "Delete"]
    assert labels(opened("run.py", run=collapse(here.data))) == ["Stop", "Duplicate"]


def test_several_living_runs_are_stopped_and_held_together(here: Service) -> None:
    one, two = MadeRun(here.data).declare(), MadeRun(here.data).declare()
    test = opened("run.py", run=f"{one.run},{two.run}")
    button(test, "Hold all").click()
    test.run()
    assert [made.folder.status() for made in (one, two)] == ["held", "held"]
    button(test, "Stop all").click()
    test.run()
    assert all((made.folder.path / "STOP").exists() for made in (one, two))
    for made in (one, two):
        made.end("stopped")


def test_a_refused_order_is_one_sentence(here: Service) -> None:
    made = MadeRun(here.data).declare().end("stopped")
    test = opened("run.py", run=made.run)
    made.folder.path.joinpath("exit.json").unlink()  # somebody else has resumed it meanwhile
    button(test, "Resume").click()
    test.run()
    assert not test.exception
    assert f"{made.run} is running; it goes on by itself." in [toast.value for toast in test.toast]
    made.end("stopped")


def test_run_again_is_the_same_declaration_over_the_first(here: Service) -> None:
    first = run_folder(here.data, collapse(here.data, lr=0.02, seed=3))
    first.write_exit("finished", code=0)
    test = opened("run.py", run=first.run)
    button(test, "Run again").click()
    test.run()
    assert not test.exception
    old, new = test.query_params["run"].split(",") if isinstance(test.query_params["run"], str) else test.query_params["run"][0].split(",")
    assert old == first.run
    specs = [run_folder(here.data, run).spec() or {} for run in (old, new)]
    assert unnest(specs[0]["knobs"]) == unnest(specs[1]["knobs"])
    assert specs[0]["preset"] == specs[1]["preset"]


# -- machine -----------------------------------------------------------------------------------------


def test_the_machine_page_says_what_doctor_says(here: Service) -> None:
    test = opened("machine.py")
    tables = [table.value for table in test.table]
    assert [name for name, _, _ in examine()] == list(tables[-1]["check"])
    assert "Nothing is training" in said(test)
    assert "warming up" in tables[0].to_string()


def test_the_machine_page_shows_slots_and_queue_in_their_order(here: Service) -> None:
    made = MadeRun(here.data).declare()
    first, second = collapse(here.data), collapse(here.data, seed=1)
    here.owner.step()
    text = said(opened("machine.py"))
    assert "place 1 · 1 CPU thread" in text
    assert "place 2 · 1 CPU thread" in text
    assert "process " in text
    assert {m.label: m.value for m in opened("machine.py").metric}["Waiting"] == "2"
    assert first < second or run_folder(here.data, first).spec()["created"] <= run_folder(here.data, second).spec()["created"]  # type: ignore[index]
    made.end("stopped")
