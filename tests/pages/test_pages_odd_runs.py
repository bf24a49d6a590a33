"""A run that cannot be read has its page and its row: what it is in one sentence, and no traceback anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runs.folder import RunFolder
from engine.server.service import Service
from tests.pages.test_pages import lab_service, opened
from tests.support.made_runs import MadeRun, finished_run

__all__ = ["lab_service"]

SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "half a declaration": (lambda run: (run / "spec.json").write_text('{"lab": "m'), "no JSON object"),
    "a newer declaration": (lambda run: (run / "spec.json").write_text('{"format": 99}'), "newer Faultline"),
    "many threads": (lambda run: (run / "spec.json").write_text('{"lab": "moe", "knobs": {"threads": "many"}}'), "threads='many'"),
    "a folder that is a link": (lambda run: run.symlink_to(run.rename(run.parent.parent / "elsewhere")), "link"),
    "an unheard end": (lambda run: (run / "exit.json").write_text(json.dumps({"status": "splendid"})), "no end that a run can have"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_run_is_shown_with_the_reason(lab_service: Service, how: str) -> None:
    made: MadeRun = finished_run(lab_service.data, steps=20)
    spoil, sentence = SPOILT[how]
    spoil(made.folder.path)
    whole = finished_run(lab_service.data, steps=20)
    lab_service.owner.catch_up()
    page = opened("run.py", run=made.run)
    said = " ".join(str(element.value) for element in (*page.markdown, *page.error, *page.warning, *page.info, *page.caption))
    assert sentence in said
    assert not opened("run.py", run=f"{made.run},{whole.run}").exception
    assert not opened("runs.py").exception


def test_a_run_that_is_deleted_while_its_page_is_made_is_left_out(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, whole = finished_run(lab_service.data, steps=20), finished_run(lab_service.data, steps=20)
    lab_service.owner.catch_up()
    real = RunFolder.spec
    monkeypatch.setattr(RunFolder, "spec", lambda folder: None if folder.run == gone.run else real(folder))
    assert not opened("run.py", run=f"{gone.run},{whole.run}").exception
    assert opened("run.py", run=gone.run).title[0].value == "No such run"
