"""Work in a child with limits ends in an answer or in a sentence, whatever the work does."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import psutil
import pytest

from engine.core.child import Limits, _end_with_the_parent, in_child, living
from engine.core.left_out import FINDER, LEFT_OUT, LeftOut, leave_out

SHORT = Limits(cpu=1, seconds=30.0, memory=2**26)


def test_an_answer_and_messages_of_any_length_arrive_whole() -> None:
    def work(say: Any) -> Any:
        for n in range(3):
            say([n, "ü" * 100_000])
        return {"long": "x" * 1_000_000}

    outcome = in_child(work, SHORT)
    assert outcome.answered
    assert outcome.answer == {"long": "x" * 1_000_000}
    assert [message[0] for message in outcome.messages] == [0, 1, 2]
    assert not living


def wait_for_ever(say: Any) -> None:
    say("begun")
    signal.pause()


def close_everything_and_crash(say: Any) -> None:
    os.closerange(0, 1024)
    os.abort()


@pytest.mark.parametrize(
    ("work", "limits", "why"),
    [
        (wait_for_ever, Limits(seconds=0.5), "took longer than 0.5 s"),
        (lambda say: pow(3, 10**9), SHORT, "took more than 1 s of processor time"),
        (lambda say: os._exit(3), SHORT, "ended Python with exit code 3"),
        (lambda say: os.kill(os.getpid(), signal.SIGKILL), SHORT, "was killed"),
        (close_everything_and_crash, SHORT, "crashed Python with Aborted"),
        (lambda say: bytes(2**28), SHORT, "ended Python with exit code 1"),
    ],
    ids=["waits", "loops", "leaves", "killed", "closes its pipe", "greedy"],
)
def test_a_child_without_an_answer_says_why_and_is_gone(work: Any, limits: Limits, why: str) -> None:
    before = psutil.Process().children()
    outcome = in_child(work, limits)
    assert not outcome.answered
    assert why in outcome.why
    assert set(psutil.Process().children()) <= set(before)


def test_a_file_that_is_left_out_raises_its_sentence_until_it_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    module, file = "engine.labs.common.noise_floors", "engine/labs/common/noise_floors.py"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    leave_out({file: "It loops."})
    assert FINDER in sys.meta_path
    with pytest.raises(LeftOut, match=r"noise_floors.py is left out. It loops."):
        __import__(module)
    leave_out({}, only=True)
    assert not LEFT_OUT
    __import__(module)


@pytest.mark.skipif(not hasattr(os, "O_ASYNC"), reason="this system sends no signal about pipes")
@pytest.mark.parametrize("when", ["before the child asks", "after the child asked"])
def test_a_child_that_never_comes_back_ends_when_its_parent_has_gone(when: str) -> None:
    watch, tie = os.pipe()
    asked, said = os.pipe()
    if when == "before the child asks":
        os.close(watch)
    pid = os.fork()
    if pid == 0:
        if when == "after the child asked":
            os.close(watch)
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        signal.alarm(60)  # should the test be about to fail
        _end_with_the_parent(tie)
        os.write(said, b"!")
        while True:
            signal.pause()
    os.close(said)
    if when == "after the child asked":
        os.read(asked, 1)
        os.close(watch)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(asked)
    os.close(tie)
    assert code == (1 if when == "before the child asks" else -signal.SIGIO)
