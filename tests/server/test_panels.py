"""Frames of panels come from child processes that are short-lived, limited in time and asked only once for the same thing."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.core.paths import ROOT
from engine.declare.knobs import describe
from engine.declare.resolve import KnobError
from engine.labs.moe.panels.router_noise import RouterNoise
from engine.labs.panel_frames import answer, decoded, encoded, odd_values
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.local import Local
from engine.server.panels import PanelAnswers, PanelError, in_a_plain_process

LABS = {"labs": [{"panels": [{"name": "router_noise", "knobs": describe(RouterNoise)}]}]}

CHILDREN = '''
"""Panels that misbehave, for a test."""
import math
from engine.declare.knobs import knob
from engine.labs.panel import Panel
class Odd(Panel):
    title = labs = formula = about = ""
    how: str = knob("well", "what it does")
    def compute(self):
        if self.how == "hang":
            while True: sum(range(10**7))
        if self.how == "deaf":
            import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); sum(range(10**12))
        if self.how == "break": return {"frame": {"x": [1, 2], "y": [1]}}
        if self.how == "refuse": raise ValueError("There is no teacher yet;\\n train it first.")
        if self.how == "leave": import os; os._exit(9)
        if self.how == "die": import os; os.kill(os.getpid(), 9)
        if self.how == "hungry": bytearray(3 * 2**29)
        if self.how == "slow": import time; time.sleep(1.5)
        if self.how == "cuda":
            import os, sys
            touched = "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized()
            return {"frame": {"touched": [touched], "visible": [os.environ["CUDA_VISIBLE_DEVICES"]], "pid": [os.getpid()]}}
        return {"frame": {"x": [1, 2, 3, 4], "y": [math.nan, math.inf, -math.inf, 0.5], "word": ["NaN", "is", "a", "word"]}}
'''


class Counting:
    """Answers at once and counts how often it was asked."""

    def __init__(self) -> None:
        self.questions: list[dict[str, Any]] = []
        self.answers: dict[str, Any] | None = None
        self.go = threading.Event()
        self.go.set()

    def __call__(self, name: str, knobs: dict[str, Any]) -> dict[str, Any]:
        self.questions.append(knobs)
        self.go.wait(60)
        return self.answers or {"frames": {"frame": {"tokens": [knobs["tokens"]]}}}


# -- what travels ------------------------------------------------------------------------------------


def test_numbers_that_are_not_finite_survive_the_trip() -> None:
    frames = {"a": {"x": [1, 2.5, math.nan, math.inf, -math.inf, None], "word": ["NaN", "b", "c", "d", "e", "f"]}}
    back = decoded(json.loads(json.dumps(encoded(frames), allow_nan=False)))
    assert repr(back) == repr(frames)
    assert odd_values(back) == {"a.x": 3}


def test_arrays_and_tensors_travel_as_lists() -> None:
    import numpy as np
    import torch

    frames = {"a": {"x": np.arange(3), "y": torch.tensor([0.5, 1.0, float("nan")]), "z": [np.float32(2.0), np.int64(3), np.bool_(True)]}}
    assert encoded(frames) == {"a": {"x": [0, 1, 2], "y": [0.5, 1.0, "NaN"], "z": [2.0, 3, True]}}


@pytest.mark.parametrize(
    ("frames", "message"),
    [({"a": {"x": [1], "y": []}}, "unequal lengths"), ({"a": {"x": [{}]}}, "not dict"), ({"a": {"x": range(10**6)}}, "at most 500,000")],
)
def test_what_is_no_frame_is_refused(frames: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        encoded(frames)


# -- memory ------------------------------------------------------------------------------------------


def test_the_same_question_is_computed_once() -> None:
    child = Counting()
    answers = PanelAnswers(Local(), child)
    first = answers.frames(LABS, "router_noise", {"tokens": 64})
    assert first == answers.frames(LABS, "router_noise", {"tokens": "64", "experts": 32}) == {"frame": {"tokens": [64]}}
    assert len(child.questions) == 1, "defaults and text count as what they stand for"
    assert answers.frames(LABS, "router_noise", {"tokens": 65}) == {"frame": {"tokens": [65]}}
    first["frame"]["tokens"].append(0)
    assert answers.frames(LABS, "router_noise", {"tokens": 64}) == {"frame": {"tokens": [64]}}, "nobody can spoil what is remembered"


def test_a_class_that_opens_the_page_at_once_asks_once() -> None:
    child = Counting()
    child.go.clear()
    answers = PanelAnswers(Local(), child)
    given: list[Any] = []
    class_ = [threading.Thread(target=lambda: given.append(answers.frames(LABS, "router_noise", {}))) for _ in range(30)]
    for one in class_:
        one.start()
    child.go.set()
    for one in class_:
        one.join(60)
    assert len(given) == 30
    assert len(child.questions) == 1


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.server.panels.LARGEST", 100)
    child = Counting()
    answers = PanelAnswers(Local(), child)
    for tokens in range(100, 120):
        answers.frames(LABS, "router_noise", {"tokens": tokens})
    assert sum(len(text) for text in answers._known.values()) <= 100
    answers.frames(LABS, "router_noise", {"tokens": 119})
    assert len(child.questions) == 20, "the newest is still there"
    answers.frames(LABS, "router_noise", {"tokens": 100})
    assert len(child.questions) == 21


def test_other_code_is_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    child = Counting()
    answers = PanelAnswers(Local(), child)
    for code in ("before", "after"):
        monkeypatch.setattr("engine.server.panels.key", lambda code=code: code)
        answers.frames(LABS, "router_noise", {})
    assert len(child.questions) == 2


def test_a_refusal_is_not_remembered() -> None:
    child = Counting()
    child.answers = {"says": "There is no teacher yet; train it first."}
    answers = PanelAnswers(Local(), child)
    with pytest.raises(PanelError, match="no teacher yet"):
        answers.frames(LABS, "router_noise", {})
    child.answers = None
    assert answers.frames(LABS, "router_noise", {}) == {"frame": {"tokens": [1024]}}


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("router_nose", {}, 'No panel "router_nose": did you mean "router_noise"'),
        ("../etc", {}, "No panel"),
        ("router_noise", {"tokens": 1}, "tokens=1 is out of bounds; give a whole number from 16 to 1048576"),
        ("router_noise", {"token": 1}, "No knob of router_noise"),
    ],
)
def test_a_question_that_cannot_be_is_answered_in_one_sentence(name: str, given: dict[str, Any], message: str) -> None:
    child = Counting()
    with pytest.raises(KnobError, match=message):
        PanelAnswers(Local(), child).frames(LABS, name, given)
    assert not child.questions


# -- children ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the engine with one panel that misbehaves when asked to."""
    root = tmp_path_factory.mktemp("code")
    for folder in ("engine", "kernels"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (root / "engine" / "labs" / "moe" / "panels" / "odd.py").write_text(CHILDREN)
    return root


def plain(monkeypatch: pytest.MonkeyPatch, code: Path, how: str, seconds: float = 60.0) -> dict[str, Any]:
    monkeypatch.setattr("engine.server.panels.ROOT", code)
    monkeypatch.setenv("PYTHONPATH", str(code))
    return in_a_plain_process("odd", {"how": how}, seconds)


def test_a_plain_process_answers_where_there_is_no_fork_server(monkeypatch: pytest.MonkeyPatch, code: Path) -> None:
    answers = plain(monkeypatch, code, "well")["frames"]["frame"]
    assert answers == {"x": [1, 2, 3, 4], "y": ["NaN", "Infinity", "-Infinity", 0.5], "word": ["NaN", "is", "a", "word"]}


def test_every_way_to_fail_is_one_sentence(monkeypatch: pytest.MonkeyPatch, code: Path) -> None:
    answers = {how: plain(monkeypatch, code, how) for how in ("break", "refuse", "leave", "die")}
    assert answers["break"]["says"].startswith("The panel `odd` broke: TypeError: the columns of frame 'frame' have unequal lengths")
    assert "Traceback" in answers["break"]["trace"]
    assert answers["refuse"] == {"says": "There is no teacher yet; train it first.", "trace": ""}
    assert "ended with code 9" in answers["leave"]["says"]
    assert {how: bool(told.get("unanswered")) for how, told in answers.items() if "says" in told} == {
        "break": False,  # the same question would break it again
        "refuse": False,
        "leave": True,  # it may be the machine
        "die": True,
    }
    assert "ended with signal SIGKILL" in answers["die"]["says"]


@pytest.mark.parametrize("how", ["hang", "deaf"])
def test_a_panel_that_hangs_is_killed_and_says_so(monkeypatch: pytest.MonkeyPatch, code: Path, how: str) -> None:
    assert plain(monkeypatch, code, how, 1.0)["says"] == (
        "The panel `odd` was stopped: it had not finished after 1 s. Choose smaller settings."
    )


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, code: Path) -> Iterator[ForkingExecutor]:
    """A fork server that runs the copied code."""
    start = (
        f"import sys; sys.path.insert(0, {str(code)!r}); from engine.worker import fork_server; sys.exit(fork_server.main(sys.argv[1:]))"
    )
    executor = ForkingExecutor(tmp_path_factory.mktemp("data"), [sys.executable, "-c", start])
    executor.start()
    assert executor.wait(120)
    assert executor.warm, executor.problem
    yield executor
    executor.close()


def test_a_fork_computes_on_the_cpu_and_leaves(warm: ForkingExecutor) -> None:
    code, answers = warm.panel("odd", {"how": "cuda"}, 60.0)
    assert code == 0
    assert answers is not None
    frame = answers["frames"]["frame"]
    assert (frame["touched"], frame["visible"]) == ([False], [""])
    assert frame["pid"] != [warm.pid]
    assert subprocess.run(["ps", "-p", str(frame["pid"][0])], capture_output=True).returncode, "it is gone"


def test_a_fork_that_hangs_is_killed_and_the_fork_server_goes_on(monkeypatch: pytest.MonkeyPatch, warm: ForkingExecutor) -> None:
    monkeypatch.setattr("engine.server.panels.SECONDS", 1.0)
    asks = PanelAnswers(warm)
    assert "was stopped: it had not finished after 1 s" in asks._in_a_child("odd", {"how": "hang"})["says"]
    assert asks._in_a_child("odd", {"how": "hungry"})["says"] == "There is not enough memory for these settings; choose smaller ones."
    assert "ended with signal SIGKILL" in asks._in_a_child("odd", {"how": "die"})["says"]
    assert asks._in_a_child("odd", {"how": "well"})["frames"]["frame"]["x"] == [1, 2, 3, 4]


def test_a_fork_server_killed_while_a_panel_computes_costs_time_and_not_the_answer(
    monkeypatch: pytest.MonkeyPatch, code: Path, warm: ForkingExecutor
) -> None:
    monkeypatch.setattr("engine.server.panels.ROOT", code)
    monkeypatch.setenv("PYTHONPATH", str(code))
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(PanelAnswers(warm)._in_a_child, "odd", {"how": "slow"})
        while not warm._waiting and not asked.done():
            time.sleep(0.01)
        os.kill(warm.pid or 0, signal.SIGKILL)
        assert asked.result(120)["frames"]["frame"]["x"] == [1, 2, 3, 4]
    assert warm.wait(120)


def test_a_fork_and_a_plain_process_give_the_same_frames(warm: ForkingExecutor) -> None:
    knobs = {"tokens": 256, "experts": 8, "k": 2}
    forked = warm.panel("router_noise", knobs, 60.0)[1]
    assert forked == in_a_plain_process("router_noise", knobs)
    assert forked is not None
    assert decoded(forked["frames"]) == RouterNoise(**knobs).compute()


def test_without_a_fork_server_the_answer_comes_all_the_same(tmp_path: Path) -> None:
    nobody = ForkingExecutor(tmp_path)
    answers = PanelAnswers(nobody).frames(LABS, "router_noise", {"experts": 4})
    assert answers == RouterNoise(experts=4).compute()


def test_a_time_limit_is_set_before_anything_is_computed() -> None:
    questions = (
        "import signal; from engine.labs.panel_frames import answer;"
        "told = answer('router_noise', {}, 50.0); assert told['frames'];"
        "print(0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 50)"
    )
    assert subprocess.check_output([sys.executable, "-c", questions], cwd=ROOT, text=True).strip() == "True"
    assert answer.__doc__
