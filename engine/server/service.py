"""The lab's service inside one server process: owner, supervisor and the catalog of labs, made once and shared by all pages."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.core.code_key import key
from engine.core.files import write_json
from engine.core.paths import data_folder, private_folder
from engine.declare.lab_catalog import Document, LabsUnreadable, Progress, compute_in_child, raw_document
from engine.declare.measured import Filled
from engine.declare.resolve import Declaration, LabJson, declaration
from engine.declare.sweep import Plan
from engine.index.owner import IndexOwner
from engine.index.store import Store
from engine.labs.panel import Frames
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, run_folder
from engine.runs.sweep_file import Sweep
from engine.scheduler import control, sweeps
from engine.scheduler.executor import Executor
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.submit import GUEST, cure_of, find_lab, submit, submit_twins
from engine.scheduler.supervisor import Supervisor
from engine.server.growing import Growing
from engine.server.panels import PanelAnswers
from engine.server.sweeps import Sweeps

CODE_CHECKED_EVERY = 3.0  # seconds between two looks whether a file of the labs has changed
MOST_WAITING = 50  # runs of one person that may wait; the command line is not counted out
WARM_WITHIN = 300.0  # seconds for importing torch on the slowest machine we serve


class Service:
    """`start` returns at once; the labs arrive in the background (`labs`)."""

    def __init__(self, data: Path | None = None, executor: Executor | None = None) -> None:
        self.data = Path(data or data_folder())
        self.owner = IndexOwner(self.data)
        self.executor: Executor = executor or ForkingExecutor(self.data)
        self.supervisor = Supervisor(self.data, self.executor)
        self.started = 0.0
        self._catalog = _Catalog(self.data, self.executor)
        self._panels = PanelAnswers(self.executor)
        self.growing = Growing(self.data, self.supervisor, lambda: self.store, self._lab_now)
        self.sweeps = Sweeps(self.data, self.supervisor, self.executor, lambda: self.wait_for_labs(), self._has_room)

    @property
    def store(self) -> Store:
        return self.owner.store

    def start(self) -> None:
        if not self.started:
            self.started = time.time()
            private_folder(self.data)
            control.remove_leftovers(self.data / "runs")
            self.owner.start()
            self.executor.start()
            self.supervisor.start()
            self.growing.start()
            self._catalog.refresh()

    def close(self) -> None:
        """Let go of the folder.  Living workers go on, and the next owner finds them."""
        if self.started:
            self.started = 0.0
            self.growing.close()
            self.supervisor.close()
            self.owner.stop()

    # -- what pages ask ----------------------------------------------------------------------------

    def labs(self) -> dict[str, Any]:
        """-> {"state": "computing" | "ready" | "failed", "labs", "probes", "detectors", "errors", "seconds", "says"}, at once."""
        return self._catalog.now()

    def wait_for_labs(self, seconds: float = 120.0) -> Document:
        """The labs document, waiting for its first computation.  LabsUnreadable, in one sentence, when there is none."""
        return self._catalog.wait(seconds)

    def _lab_now(self, name: str) -> LabJson | None:
        """The entry of a lab, or None while the labs are being read, and where it is gone."""
        return next((lab for lab in self.labs()["labs"] if lab["lab"] == name), None)

    def panel(self, name: str, given: Mapping[str, Any] | None = None) -> Frames:
        """The frames of a panel with these knobs, from a child process or from memory.  KnobError or PanelError, in one sentence."""
        return self._panels.frames(self.wait_for_labs(), name, given or {})

    def launch(
        self, lab: str, preset: str | None, given: Mapping[str, Any] | None = None, who: str | None = None, parent: str | None = None
    ) -> str:
        """Queue one run -> its id.  KnobError, in one sentence, for what does not exist or is out of bounds.

        Refused, in one sentence, when `who` has as many runs waiting as a person may have; None is the machine's own user, who may.
        """
        self._has_room(who, 1)
        declared = declaration(find_lab(self.wait_for_labs(), lab), preset, given or {})
        folder = submit(self.data, declared, who=who, parent=parent)
        self.supervisor.wake()
        return folder.run

    def launch_twins(self, lab: str, preset: str, given: Mapping[str, Any] | None = None, who: str | None = None) -> tuple[str, str]:
        """Queue a preset and its cure with the same overrides -> (broken, cured).  Errors as `launch`."""
        entry = find_lab(self.wait_for_labs(), lab)
        return self._launch_two([declaration(entry, name, given or {}) for name in (preset, cure_of(entry, preset))], who)

    def launch_pair(
        self, lab: str, preset: str | None, given: Mapping[str, Any], change: Mapping[str, Any], who: str | None = None
    ) -> tuple[str, str]:
        """Queue a declaration and the same with `change` -> (plain, changed), twins that differ in nothing else.  Errors as `launch`."""
        entry = find_lab(self.wait_for_labs(), lab)
        return self._launch_two([declaration(entry, preset, knobs) for knobs in (given, {**given, **change})], who)

    def launch_many(self, declarations: Sequence[Declaration], who: str | None = None) -> list[str]:
        """Queue these declarations, all or none -> their ids.  Errors as `launch`, and OSError."""
        self._has_room(who, len(declarations))
        ready = [one.on_this_machine() for one in declarations]
        made: list[RunFolder] = []
        try:
            for one in ready:
                made.append(submit(self.data, one, who=who))
        except OSError:
            for folder in made:
                with contextlib.suppress(OSError, control.Refused):  # begun meanwhile, it goes on alone
                    control.delete(folder)
            raise
        self.supervisor.wake()
        return [folder.run for folder in made]

    def extend_sweep(self, sweep: Sweep, declarations: Sequence[Declaration], who: str | None = None) -> None:
        """Put more declarations into a sweep; those that exist already are not made again.  Errors as `launch`, and SweepUnreadable."""
        self._has_room(who, len(declarations))
        seeds = tuple(dict.fromkeys(int(one.flat["seed"]) for one in declarations))
        more = Plan(sweep.lab, sweep.preset, sweep.base, {}, seeds, tuple(declarations))
        sweeps.extend(self.data, find_lab(self.wait_for_labs(), sweep.lab), sweep, more)
        self.supervisor.wake()

    def _launch_two(self, pair: Sequence[Declaration], who: str | None) -> tuple[str, str]:
        self._has_room(who, 2)
        one, other = submit_twins(self.data, *pair, who=who)
        self.supervisor.wake()
        return one.run, other.run

    def stop_run(self, run: str) -> str:
        """Ask a run to stop -> its status now.  KeyError, in one sentence, for a run that does not exist."""
        status = control.stop(run_folder(self.data, run), self.executor)
        self.supervisor.wake()
        return status

    def hold_run(self, run: str) -> str:
        """Ask a running run to wait -> its status now.  KeyError, or orders.Refused, in one sentence."""
        return control.hold(run_folder(self.data, run))

    def resume_run(self, run: str) -> str:
        """Let a held run go on, or queue a new attempt -> its status now.  KeyError, or orders.Refused, in one sentence."""
        folder = run_folder(self.data, run)
        if folder.status() in ENDED and (who := str((folder.spec() or {}).get("who") or "")).startswith(GUEST):
            self._has_room(who, 1)
        status = control.resume(folder, self.executor)
        self.supervisor.wake()
        return status

    def _has_room(self, who: str | None, more: int) -> None:
        if who is not None and (waiting := self.supervisor.order.count(who)) + more > MOST_WAITING:
            asked = "one more" if more == 1 else f"{more} more"
            then = "wait until some have begun, or stop some"
            raise control.Refused(f"{who} has {waiting} runs waiting and wants {asked}; {MOST_WAITING} are allowed: {then}.")

    def delete_run(self, run: str) -> None:
        """Remove a run that has ended.  KeyError, or orders.Refused, in one sentence."""
        control.delete(run_folder(self.data, run))


class _Catalog:
    """The labs document, computed in the background, and again when the code has changed; the old one stays until then.

    Its texts follow docs/measured/ at every reading.
    """

    def __init__(self, data: Path, executor: Executor) -> None:
        self._data, self._executor = data, executor
        self._lock = threading.Lock()
        self._ready = threading.Event()  # the first computation has ended, well or badly
        self._thread: threading.Thread | None = None
        self._document: Filled | None = None
        self._of, self._failed_of = "", ""
        self._message, self._seconds, self._checked = "", 0.0, 0.0
        self._failure = ""

    def refresh(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._checked = time.monotonic()
                self._thread = threading.Thread(target=self._compute, name="labs", daemon=True)
                self._thread.start()

    def now(self) -> dict[str, Any]:
        if self._ready.is_set() and time.monotonic() - self._checked > CODE_CHECKED_EVERY:
            self._checked = time.monotonic()
            if key() not in (self._of, self._failed_of):
                self.refresh()
        empty: Document = {"labs": [], "probes": [], "detectors": [], "errors": []}
        document = self._document.now() if self._document else None
        state = "ready" if document else "failed" if self._failure else "computing"
        return {"state": state, **empty, **(document or {}), "seconds": self._seconds, "says": self._failure or self._message}

    def wait(self, seconds: float) -> Document:
        self._ready.wait(seconds)
        if self._document is None:
            raise LabsUnreadable(self._failure or f"The labs were not computed within {seconds:.0f} s.")
        return self._document.now()

    def _compute(self) -> None:
        began, of = time.monotonic(), key()

        def progress(message: str) -> None:
            self._message, self._seconds = message, time.monotonic() - began

        self._executor.current()  # a warm process may have older code in memory
        try:
            self._document = Filled(raw_document(self._data, progress=progress, compute=self._in_a_fork))
            self._failure = ""
            self._of, self._message = of, ""
        except (LabsUnreadable, OSError) as error:
            self._failure, self._failed_of = str(error), of
        self._seconds = time.monotonic() - began
        self._ready.set()

    def _in_a_fork(self, file: Path, progress: Progress, root: Path) -> None:
        """From the process that has imported torch anyway, or from a fresh one where there is none, or where it was killed over it."""
        progress("importing torch and Lightning")
        if isinstance(self._executor, ForkingExecutor) and self._executor.wait(WARM_WITHIN) and self._executor.warm:
            progress("reading the labs")
            with contextlib.suppress(ConnectionError, TimeoutError):
                write_json(file, self._executor.labs())
                return
        compute_in_child(file, progress, root)


_here: Service | None = None
_making = threading.Lock()


def service() -> Service:
    """The one service of this process, started at the first call; another FAULTLINE_DATA closes it and makes a new one."""
    global _here
    with _making:
        if _here is None or not _here.started or _here.data != data_folder():
            if _here is not None:
                _here.close()
            _here = Service()
            _here.start()
        return _here


def close() -> None:
    """Close the service of this process, if there is one."""
    global _here
    with _making:
        if _here is not None:
            _here.close()
            _here = None


atexit.register(close)
