"""The server's side of panels: asks a fork of the fork server, or a plain process, and remembers what it was told.

Nothing is computed here.  Equal questions that come at once are asked once, and at most so many
children compute at a time as the machine has cores.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from engine.core import started
from engine.core.code_key import key
from engine.core.environment import for_workers
from engine.core.paths import ROOT
from engine.core.suggest import nearest
from engine.declare.resolve import KnobError, resolve
from engine.labs.panel import Frames
from engine.labs.panel_frames import Answer, decoded
from engine.runs.ending import signal_name
from engine.scheduler.executor import Executor
from engine.scheduler.forking import ForkingExecutor

SECONDS = 10.0  # a panel takes one; what takes ten hangs, or its machine is overloaded
PLAIN_SECONDS = 60.0  # a plain process may import torch first
LARGEST = 64 * 2**20  # bytes of JSON remembered
LONGEST = 16 * 2**10  # characters of a question: the fork server reads a packet of bounded size

Question = tuple[str, str, str]  # code, panel, arguments


class PanelError(RuntimeError):
    """No frames: one sentence for the person; `trace` is the traceback of a panel that broke, else empty.

    `unanswered`: the machine failed, not the question; asked again, it may well be answered.
    """

    def __init__(self, message: str, trace: str = "", unanswered: bool = False) -> None:
        super().__init__(message)
        self.trace, self.unanswered = trace, unanswered


class PanelAnswers:
    """`frames` is what a page asks; `compute` replaces the children in tests."""

    def __init__(self, executor: Executor, compute: Callable[[str, dict[str, Any]], Answer] | None = None) -> None:
        self._executor, self._compute = executor, compute or self._in_a_child
        self._lock = threading.Lock()
        self._known: OrderedDict[Question, str] = OrderedDict()  # the newest last
        self._size = 0
        self._pending: dict[Question, Future[Frames]] = {}
        self._slots = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))

    def frames(self, labs: Mapping[str, Any], name: str, given: Mapping[str, Any]) -> Frames:
        """The frames of panel `name` of the labs document.  KnobError or PanelError, in one sentence."""
        knobs = arguments(labs, name, given)
        question = (key(), name, json.dumps(knobs, sort_keys=True))
        with self._lock:
            text = self._known.get(question)
            if text is not None:
                self._known.move_to_end(question)
                return decoded(json.loads(text))
            pending = self._pending.get(question)
            mine = pending is None
            if pending is None:
                pending = self._pending[question] = Future()
        if mine:
            try:
                pending.set_result(self._ask(question, knobs))
            except BaseException as error:
                pending.set_exception(error)
            with self._lock:
                del self._pending[question]
        return pending.result()

    def _ask(self, question: Question, knobs: dict[str, Any]) -> Frames:
        with self._slots:
            told = self._compute(question[1], knobs)
        if "frames" not in told:  # not remembered: what was missing may be there the next time
            raise PanelError(told["says"], told.get("trace", ""), bool(told.get("unanswered")))
        text = json.dumps(told["frames"])
        with self._lock:
            self._known[question] = text
            self._size += len(text)
            while self._size > LARGEST:
                self._size -= len(self._known.popitem(last=False)[1])
        return decoded(told["frames"])

    def _in_a_child(self, name: str, knobs: dict[str, Any]) -> Answer:
        if isinstance(self._executor, ForkingExecutor) and self._executor.current():
            try:
                code, told = self._executor.panel(name, knobs, SECONDS)
                return told if told else _ended(name, code, SECONDS)
            except ConnectionError:
                pass  # the fork server has gone: a plain process does it as well, only later
            except TimeoutError:
                return _unanswered(f"The panel `{name}` did not answer within {SECONDS:.0f} s: the machine is too busy. Try it again.")
            except OSError as error:
                return _unanswered(f"The panel `{name}` could not be computed: {error}.")
        return in_a_plain_process(name, knobs)


def arguments(labs: Mapping[str, Any], name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every knob of the panel, checked and nested.  KnobError for a panel or a knob that does not exist, is out of bounds or too long."""
    known = {panel["name"]: panel for lab in labs["labs"] for panel in lab.get("panels", ())}
    if name not in known:
        raise KnobError(nearest("panel", name, known))
    like_a_lab = {"lab": name, "presets": {}, "knobs": known[name]["knobs"]}
    knobs = resolve(like_a_lab, None, given).nested
    if (size := len(json.dumps(knobs))) > LONGEST:
        raise KnobError(f"The knobs of {name} have {size:,} characters; at most {LONGEST:,} are allowed, so shorten the longest text.")
    return knobs


def in_a_plain_process(name: str, knobs: dict[str, Any], seconds: float = PLAIN_SECONDS) -> Answer:
    """The same from a fresh interpreter, slower by what it imports."""
    try:
        child = subprocess.run(
            [sys.executable, "-m", started.PANEL],
            cwd=ROOT,
            env=for_workers({"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}),
            input=json.dumps({"name": name, "knobs": knobs, "seconds": seconds}),
            capture_output=True,
            text=True,
            timeout=seconds + 5.0,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _unanswered(f"The panel `{name}` could not be computed: {error}.")
    if child.returncode:
        return _ended(name, child.returncode, seconds, child.stderr)
    return json.loads(child.stdout)


def _ended(name: str, code: int, seconds: float, trace: str = "") -> Answer:
    """The child left without an answer."""
    if code == -signal.SIGALRM:
        return _unanswered(f"The panel `{name}` was stopped: it had not finished after {seconds:.0f} s. Choose smaller settings.")
    how = f"signal {signal_name(-code)}" if code < 0 else f"code {code}"
    return _unanswered(f"The panel `{name}` ended with {how} and no answer; fork_server.log in the data folder may say more.", trace)


def _unanswered(sentence: str, trace: str = "") -> Answer:
    return {"says": sentence, "trace": trace, "unanswered": True}
