"""A sweep from the form to the group of its runs: what it comes to before launch, and what is ordered of all of them."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.core.files import write_json
from engine.runs.folder import all_runs
from engine.runs.sweep_file import read_sweep, sweep_ids
from engine.scheduler import sweep_control
from engine.server.service import Service
from tests.pages.test_pages import opened, said
from tests.support.lab_pages import button, collapse
from tests.support.minded import let_go, mind

KEY = "build:moe:collapse:"


def form(**varied: Any) -> AppTest:
    """The form of moe's preset collapse on the CPU with these knobs varied: a list chooses answers, a text is typed."""
    test = opened("build.py", lab="moe", preset="collapse", knobs="device=cpu steps=60")
    test.number_input(key=f"{KEY}:seeds").set_value(3)
    test.multiselect(key=f"{KEY}:vary").set_value([name.replace("__", ".") for name in varied])
    test.run()
    for name, values in varied.items():
        key = f"{KEY}:values:{name.replace('__', '.')}"
        (test.multiselect if isinstance(values, list) else test.text_input)(key=key).set_value(values)
    test.run()
    assert not test.exception
    return test


def test_three_by_three_by_two_seeds_is_said_before_launch_and_queued_by_one_press(lab_service: Service) -> None:
    measured = collapse(lab_service.data, steps=60)
    write_json(lab_service.data / "runs" / measured / "state.json", {"step_seconds": 0.5})
    lab_service.supervisor.stop(measured)
    test = form(router=["softmax_top_k", "loss_free", "hash"], lr="1e-4..1e-2/3")
    test.number_input(key=f"{KEY}:seeds").set_value(2)
    test.run()
    assert "18 runs, about" in said(test)
    assert "at a time." in said(test)
    commands = [one.value for one in test.code]
    assert (
        "python -m engine sweep moe --preset collapse steps=60 device=cpu router=softmax_top_k,loss_free,hash lr=1e-4..1e-2/3 seed=0..1"
        in commands
    )
    assert len(all_runs(lab_service.data)) == 1
    button(test, "Launch 18 runs").click()
    test.run()
    (sweep,) = sweep_ids(lab_service.data)
    assert test.query_params["sweep"] in (sweep, [sweep])
    found = read_sweep(lab_service.data, sweep)
    assert (len(found.members), found.seeds, found.complete) == (18, (0, 1), True)
    assert found.base["steps"] == 60
    assert len(all_runs(lab_service.data)) == 19


def test_what_is_not_measured_or_exists_or_is_refused_is_said(lab_service: Service) -> None:
    test = form(lr="1e-3,1e-2")
    assert "6 runs" in said(test)
    assert "6 of 6 not measured yet" in said(test)
    button(test, "Launch 6 runs").click()
    test.run()
    again = form(lr="1e-3..1e-1/3")
    assert "6 of them exist already; 3 are new." in said(again)
    assert "all of which exist already" in said(form(lr="1e-3,1e-2"))
    refused = form(heads="2,3")
    assert "1 combination is refused by a rule of the lab" in said(refused)
    refused.toggle(key=f"{KEY}:leave_out").set_value(True)
    refused.run()
    assert "3 runs" in said(refused)
    assert "Left out, because a rule of the lab refuses them" in said(refused)
    assert "give the smaller end first" in said(form(lr="1..0/3"))


def test_a_ladder_stands_in_the_form_as_it_is(lab_service: Service) -> None:
    test = opened("build.py", lab="consistency", preset="fourier", knobs="device=cpu")
    assert test.multiselect(key="build:consistency:fourier::vary").value == ["fourier_scale"]
    assert test.text_input(key="build:consistency:fourier::values:fourier_scale").value == "0,4,16"
    assert "9 runs" in said(test)


@pytest.fixture
def swept(lab_service: Service) -> str:
    """A sweep of four queued runs."""
    preview = lab_service.sweeps.preview("moe", "collapse", {"lr": "1e-3,1e-2", "seed": "0..1", "device": "cpu"})
    sweep = lab_service.sweeps.launch(preview)
    collapse(lab_service.data, seed=9)
    lab_service.owner.catch_up()
    return sweep


def statuses(service: Service, sweep: str) -> list[str]:
    return sorted(sweep_control.statuses(service.data, read_sweep(service.data, sweep)).values())


def pressed(service: Service, sweep: str, key: str) -> AppTest:
    service.owner.catch_up()
    test = opened("runs.py", sweep=sweep)
    test.button(key=key).click()
    test.run()
    assert not test.exception
    service.owner.catch_up()
    return opened("runs.py", sweep=sweep)


def test_the_page_of_runs_shows_a_sweep_as_a_group_and_gives_orders_to_all_of_it(lab_service: Service, swept: str) -> None:
    test = opened("runs.py", sweep=swept)
    assert not test.exception
    frame = test.dataframe[0].value
    assert len(frame) == 4
    assert list(frame["lr"]) == ["0.001", "0.001", "0.01", "0.01"]
    assert "0 of 4 ended: 4 queued" in test.get("progress")[0].proto.text
    assert len(opened("runs.py").dataframe[0].value) == 5
    pressed(lab_service, swept, "sweep_pause_all")
    assert len(lab_service.supervisor.order.paused()) == 4
    pressed(lab_service, swept, "sweep_go_on")
    assert lab_service.supervisor.order.paused() == frozenset()
    after = pressed(lab_service, swept, "sweep_stop_all")
    assert statuses(lab_service, swept) == ["stopped"] * 4
    assert "4 of 4 ended: 4 stopped" in after.get("progress")[0].proto.text
    pressed(lab_service, swept, "sweep_retry_failed")
    assert statuses(lab_service, swept) == ["queued"] * 4
    more = pressed(lab_service, swept, "sweep_4_more_seeds")
    assert len(statuses(lab_service, swept)) == 12
    assert len(more.dataframe[0].value) == 12
    assert read_sweep(lab_service.data, swept).seeds == tuple(range(6))


def asked_to_delete(service: Service, sweep: str) -> AppTest:
    """The page with the dialog open."""
    service.owner.catch_up()
    test = opened("runs.py", sweep=sweep)
    test.button(key="sweep_delete").click()
    test.run()
    assert not test.exception
    return test


def test_a_sweep_is_deleted_from_the_page_after_it_said_what_is_lost(lab_service: Service, swept: str) -> None:
    other = lab_service.sweeps.launch(lab_service.sweeps.preview("moe", "collapse", {"lr": "1e-2,1", "seed": "0..1", "device": "cpu"}))
    assert len(all_runs(lab_service.data)) == 7, "two of the second sweep were there before"
    test = asked_to_delete(lab_service, swept)
    words = said(test)
    assert "Delete it with 2 runs" in words
    assert "2 runs of it stay in any case: they were there before, or another sweep uses them." in words
    assert sweep_ids(lab_service.data) == sorted((swept, other)), "nothing is deleted before an answer"
    test.button(key="keep_sweep").click()
    test.run()
    assert "Forget the sweep only" not in said(test)
    assert len(sweep_ids(lab_service.data)) == 2

    test = asked_to_delete(lab_service, swept)
    test.button(key="delete_sweep_runs").click()
    test.run()
    assert not test.exception
    assert sweep_ids(lab_service.data) == [other]
    assert "sweep" not in test.query_params
    assert len(all_runs(lab_service.data)) == 5
    assert statuses(lab_service, other) == ["queued"] * 4, "what the other sweep uses stays"

    test = asked_to_delete(lab_service, other)
    test.button(key="forget_sweep").click()
    test.run()
    assert sweep_ids(lab_service.data) == []
    assert len(all_runs(lab_service.data)) == 5


def test_a_sweep_with_a_run_that_goes_on_cannot_be_deleted(lab_service: Service, swept: str) -> None:
    folder = sweep_control.folders(lab_service.data, read_sweep(lab_service.data, swept))[0]
    mind(folder)
    try:
        test = asked_to_delete(lab_service, swept)
        assert "1 run of it still goes on. Stop the sweep first, then delete it." in said(test)
        assert test.button(key="forget_sweep").disabled
        assert test.button(key="delete_sweep_runs").disabled
    finally:
        let_go(folder)
        (folder.path / "proc.json").unlink(missing_ok=True)
    assert sweep_ids(lab_service.data) == [swept]


def test_a_sweep_that_is_gone_or_odd_is_one_sentence_and_the_table_stays(lab_service: Service, swept: str) -> None:
    gone = opened("runs.py", sweep="s20990101-000000-moe-abcd")
    assert "There is no sweep" in said(gone)
    assert len(gone.dataframe[0].value) == 5
    (lab_service.data / "sweeps" / f"{swept}.json").write_text('{"format": 1, "members": "<b>x</b>"}')
    odd = opened("runs.py", sweep=swept)
    assert "cannot be read: its file names no members" in said(odd)
    assert not odd.exception


def test_kernels_are_varied_only_where_a_gpu_would_run_them(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for devices in ([], ["NVIDIA H100"]):
        monkeypatch.setattr("pages.parts.sweeps.form.gpus", lambda devices=devices: devices)
        test = opened("build.py", lab="moe", preset="collapse")
        assert ("kernels" in test.multiselect(key=f"{KEY}:vary").options) == bool(devices)
