"""The table of runs, the buttons of a run and the machine page answer in every state, without a browser."""

from __future__ import annotations

import math
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.commands.doctor import examine
from engine.declare.knobs import unnest
from engine.runs.folder import run_folder
from engine.server.service import Service
from pages.parts.runs.run_table import by_column
from tests.pages.test_pages import opened, said, taken_in
from tests.support.lab_pages import button, collapse
from tests.support.made_runs import MadeRun, finished_run, finished_twins
from tests.support.minded import mind

# -- runs --------------------------------------------------------------------------------------------


def shown(test: AppTest) -> list[str]:
    return list(test.dataframe[0].value["run"]) if test.dataframe else []


def ticked(lab_service: Service, monkeypatch: pytest.MonkeyPatch, *runs: str) -> AppTest:
    """The table with these rows ticked, which an AppTest cannot do by hand."""
    real = st.dataframe

    def dataframe(frame: Any, **options: Any) -> Any:
        real(frame, **options)
        return {"selection": {"rows": [n for n, run in enumerate(frame["run"]) if run in runs]}}

    monkeypatch.setattr("streamlit.dataframe", dataframe)
    return opened("runs.py")


def test_without_runs_the_table_says_which_button_to_press(lab_service: Service) -> None:
    assert "Press **Break it** on a card of the gallery" in said(opened("runs.py"))


def test_the_table_shows_runs_with_their_curves_and_filters_them_by_the_address(lab_service: Service) -> None:
    broken, cured = finished_twins(lab_service.data, steps=30)
    healthy = finished_run(lab_service.data, preset="healthy", healthy=True, steps=30)
    failed = MadeRun(lab_service.data, preset="lr_burst").declare().end("failed", message="no")
    taken_in(lab_service, broken, cured, healthy)
    lab_service.owner.step()
    test = opened("runs.py")
    assert set(shown(test)) == {broken.run, cured.run, healthy.run, failed.run}
    frame = test.dataframe[0].value.set_index("run")
    assert frame.loc[healthy.run, "status"] == "✓ finished"
    assert frame.loc[healthy.run, "curve"].startswith("data:image/svg+xml")
    assert frame.loc[failed.run, "curve"] == ""
    assert set(shown(opened("runs.py", status="failed"))) == {failed.run}
    assert set(shown(opened("runs.py", text="healthy finished"))) == {healthy.run}
    assert set(shown(opened("runs.py", lab="moe", text=broken.run))) == {broken.run}
    nothing = opened("runs.py", text="phlogiston")
    assert not shown(nothing)
    assert "No run fits" in said(nothing)


def test_whoever_comes_back_to_the_table_finds_it_as_it_was_left(lab_service: Service) -> None:
    healthy = finished_run(lab_service.data, preset="healthy", steps=20)
    other = finished_run(lab_service.data, preset="lr_burst", steps=20)
    taken_in(lab_service, healthy, other)
    test = opened("runs.py", text="healthy")
    assert shown(test) == [healthy.run]
    test.switch_page("run.py")
    test.query_params["run"] = healthy.run
    test.run()
    test.switch_page("runs.py")
    test.query_params.clear()
    test.run()
    assert not test.exception
    assert shown(test) == [healthy.run]
    test.text_input(key="text").set_value("")
    test.run()
    assert set(shown(test)) == {healthy.run, other.run}


def test_only_columns_that_differ_shows_the_knobs_that_differ(lab_service: Service) -> None:
    collapse(lab_service.data, lr=0.1)
    collapse(lab_service.data, lr=0.2, seed=5)
    lab_service.owner.step()
    frame = opened("runs.py", differing="true").dataframe[0].value
    kept = ["status", "preset", "run", "curve", "training", "validation", "steps"]
    assert list(frame.columns)[: len(kept)] == kept, "what a run is and what came out stays, and first"
    assert set(frame.columns[len(kept) :]) == {"lr", "seed", "data_seed"}
    assert set(frame["lr"]) == {"0.1", "0.2"}


def test_a_column_orders_by_its_values_and_not_by_how_they_are_written() -> None:
    losses = {"a": 9.5, "b": 123456.0, "c": 12.25, "d": None, "e": math.nan, "f": 2e-5, "g": math.inf, "h": -1.0}
    rows = [{"run": run, "who": run.upper(), "steps": 10 * n, "last": {"loss/train": loss}} for n, (run, loss) in enumerate(losses.items())]

    def order(column: str, falling: bool = False) -> str:
        return "".join(row["run"] for row in by_column(rows, column, falling))

    assert order("training") == "hfacbged"
    assert order("training", falling=True) == "egbcafhd", "what has no value comes last in either direction"
    assert order("steps") == "abcdefgh"
    assert order("who", falling=True) == "hgfedcba"
    assert order("validation") == "abcdefgh", "nobody has one"


@pytest.mark.parametrize(
    ("press", "lands"),
    [("Compare", "Compare"), ("Lay over", "Mixture of Experts: Collapse with changed knobs: steps 120")],
)
def test_ticked_rows_are_compared_or_laid_over_each_other(
    lab_service: Service, monkeypatch: pytest.MonkeyPatch, press: str, lands: str
) -> None:
    broken, cured = finished_twins(lab_service.data, steps=20)
    taken_in(lab_service, broken, cured)
    test = ticked(lab_service, monkeypatch, broken.run, cured.run)
    button(test, press).click()
    test.run()
    assert not test.exception
    assert test.title[0].value == lands
    assert sorted(
        ",".join(test.query_params["run"]).split(",") if isinstance(test.query_params["run"], list) else test.query_params["run"].split(",")
    ) == sorted([broken.run, cured.run])


def test_delete_asks_first_and_deletes_what_has_ended(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made = finished_run(lab_service.data, steps=20)
    living = MadeRun(lab_service.data).declare()
    taken_in(lab_service, made)
    test = ticked(lab_service, monkeypatch, made.run, living.run)
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


def test_each_status_has_the_buttons_that_make_sense(lab_service: Service) -> None:
    made = MadeRun(lab_service.data).declare()
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
    assert labels(opened("run.py", run=made.run))[:4] == ["Resume", "Run again", "Duplicate", "Delete"]
    finished = finished_run(lab_service.data, steps=10)
    assert labels(opened("run.py", run=finished.run))[:3] == ["Run again", "Duplicate", "Delete"]
    assert labels(opened("run.py", run=collapse(lab_service.data))) == ["Stop", "Duplicate"]


def test_several_living_runs_are_stopped_and_held_together(lab_service: Service) -> None:
    one, two = MadeRun(lab_service.data).declare(), MadeRun(lab_service.data).declare()
    test = opened("run.py", run=f"{one.run},{two.run}")
    button(test, "Hold all").click()
    test.run()
    assert [made.folder.status() for made in (one, two)] == ["held", "held"]
    button(test, "Stop all").click()
    test.run()
    assert all((made.folder.path / "STOP").exists() for made in (one, two))
    for made in (one, two):
        made.end("stopped")


def test_a_refused_order_is_one_sentence(lab_service: Service) -> None:
    made = MadeRun(lab_service.data).declare().end("stopped")
    test = opened("run.py", run=made.run)
    made.folder.path.joinpath("exit.json").unlink()  # somebody else has resumed it meanwhile
    mind(made.folder)
    button(test, "Resume").click()
    test.run()
    assert not test.exception
    assert f"{made.run} is running; it goes on by itself." in [toast.value for toast in test.toast]
    made.end("stopped")


def test_run_again_is_the_same_declaration_over_the_first(lab_service: Service) -> None:
    first = run_folder(lab_service.data, collapse(lab_service.data, lr=0.02, seed=3))
    first.write_exit("finished", code=0)
    test = opened("run.py", run=first.run)
    button(test, "Run again").click()
    test.run()
    assert not test.exception
    old, new = test.query_params["run"].split(",") if isinstance(test.query_params["run"], str) else test.query_params["run"][0].split(",")
    assert old == first.run
    specs = [run_folder(lab_service.data, run).spec() or {} for run in (old, new)]
    assert unnest(specs[0]["knobs"]) == unnest(specs[1]["knobs"])
    assert specs[0]["preset"] == specs[1]["preset"]


# -- machine -----------------------------------------------------------------------------------------


def test_the_machine_page_says_what_doctor_says(lab_service: Service) -> None:
    test = opened("machine.py")
    tables = [table.value for table in test.table]
    assert [name for name, _, _ in examine()] == list(tables[-1]["check"])
    assert "Nothing is training" in said(test)
    assert "warming up" in tables[0].to_string()


def test_the_machine_page_shows_slots_and_queue_in_their_order(lab_service: Service) -> None:
    made = MadeRun(lab_service.data).declare()
    first, second = collapse(lab_service.data), collapse(lab_service.data, seed=1)
    lab_service.owner.step()
    text = said(opened("machine.py"))
    assert "place 1 · 1 CPU thread" in text
    assert "place 2 · 1 CPU thread" in text
    assert "process " in text
    assert {m.label: m.value for m in opened("machine.py").metric}["Waiting"] == "2"
    assert first < second or run_folder(lab_service.data, first).spec()["created"] <= run_folder(lab_service.data, second).spec()["created"]  # type: ignore[index]
    made.end("stopped")
