"""A run goes on only as the curve that it was: with the edition of its lab and the data that it began with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.core.files import write_json
from engine.declare.editions import Edition
from engine.runs.folder import RunFolder, new_run
from engine.scheduler.control import Refused, resume
from engine.scheduler.executor import DataUnknown
from engine.scheduler.goes_on import other_data
from engine.scheduler.local import Local
from tests.support.toy import Answer, refused

SPEC = {"preset": None, "knobs": {"seed": 1}, "who": "test", "parent": None, "twin": None, "sweep": None}
DATA = {"images": "digits", "shape": [1, 8, 8], "sha256": "aa11", "features": "only a run tells this"}


class Knowing(Local):
    """Says what the data is today without a process."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.data, self.questions = data, 0

    def data_today(self, folder: RunFolder) -> dict[str, Any]:
        self.questions += 1
        if self.data is None:
            raise DataUnknown("KeyError: no lab")
        return self.data


@pytest.fixture
def stopped(tmp_path: Path) -> RunFolder:
    folder = new_run(tmp_path, "toy", SPEC)
    write_json(folder.path / "provenance.json", {"data": DATA})
    (folder.path / "STOP").touch()
    folder.write_exit("stopped", code=6)
    return folder


def kept(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir() if path.name != "claim"}


def test_with_the_same_data_it_goes_on_whatever_the_probes_added(stopped: RunFolder) -> None:
    assert resume(stopped, Knowing({"images": "digits", "shape": [1, 8, 8], "sha256": "aa11", "new": 1})) == "queued"


def test_with_other_data_it_stays_as_it_is_and_both_hashes_are_named(stopped: RunFolder) -> None:
    before = kept(stopped)
    with pytest.raises(Refused, match=r"other data.*sha256 was aa11 and is bb22; run it again") as caught:
        resume(stopped, Knowing({**DATA, "shape": [1], "sha256": "bb22"}))
    assert str(caught.value).count("\n") == 0
    assert (stopped.status(), kept(stopped)) == ("stopped", before)


def test_where_it_is_not_known_the_run_stays_as_it_is(stopped: RunFolder) -> None:
    with pytest.raises(Refused, match=r"it is not known whether .* KeyError: no lab"):
        resume(stopped, Knowing(None))
    assert stopped.status() == "stopped"


def test_a_run_that_never_knew_its_data_is_not_asked_about_it(stopped: RunFolder) -> None:
    (stopped.path / "provenance.json").unlink()
    executor = Knowing(None)
    assert resume(stopped, executor) == "queued"
    assert executor.questions == 0


def test_without_a_hash_the_name_that_differs_is_told() -> None:
    assert other_data({"teacher": "a", "std": 0.1}, {"teacher": "b", "std": 0.1}) == "teacher was a and is b"
    assert other_data({"shape": [1, 8]}, {"shape": [1, 8]}) == ""


def test_a_process_of_its_own_tells_the_data_of_a_real_lab_or_why_it_cannot(tmp_path: Path) -> None:
    folder = new_run(tmp_path, "consistency", {**SPEC, "knobs": {"device": "cpu", "data": "ring"}})
    assert Local().data_today(folder)["distribution"] == "ring"
    with pytest.raises(DataUnknown, match="phlogiston"):
        Local().data_today(new_run(tmp_path, "phlogiston", SPEC))


def test_a_run_of_an_older_edition_is_shown_with_what_changed_and_is_not_resumed(
    engine: Callable[..., Answer], toy_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, told, _ = engine("run", "toy", "behave=fail", "--json")
    folder = RunFolder(toy_data / "runs" / told["run"])
    status = folder.status()
    assert status != "finished", code
    monkeypatch.setattr("engine.declare.editions.today", lambda *_: Edition(2, {2: "toys are wound up"}))
    shown = engine("show", folder.run, "--json")[1]
    assert shown["says"].startswith("Made with edition 1 of the lab toy; today's is 2 (edition 2: toys are wound up).")
    assert (shown["status"], shown["knobs"]["behave"]) == (status, "fail")
    refused(engine("resume", folder.run, "--json"), 2, "edition 2: toys are wound up")
    assert folder.status() == status
