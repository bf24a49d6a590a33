"""Several runs trained together by one worker.  `python -m engine.worker RUN_FOLDER RUN_FOLDER …`

Each step is computed once for all of them.  All else is that of a single run: every folder has its lock, proc.json (with the same pid),
state.json, spool, checkpoints and exit.json, and a run that stops, diverges or fails ends alone; the others go on without its rows.
HOLD of one holds all.  SIGTERM stops all with checkpoints, from which each goes on as a run of its own, as after a kill.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from engine.core.files import write_json
from engine.declare import stacks
from engine.runs.ending import CODES
from engine.runs.folder import RunFolder
from engine.worker.life import load_lab, on_signals, prepare

LOOK_SECONDS = 0.1  # between two looks at STOP, HOLD and the clock, of every run


def main(folders: Sequence[RunFolder]) -> int:
    """The life of a worker with several runs."""
    stop_requested = threading.Event()

    def leave(*_: Any) -> None:
        for folder in folders:
            with contextlib.suppress(OSError):
                folder.write_exit("stopped", code=CODES["stopped"], message="Stopped while it was starting; nothing was trained.")
        os._exit(CODES["stopped"])

    on_signals(leave)
    knobs = (folders[0].spec() or {}).get("knobs", {})
    os.environ["OMP_NUM_THREADS"] = str(knobs.get("threads", 1))
    names = [folder.run for folder in folders]
    starting = {"step": 0, "steps": knobs.get("steps"), "phase": "starting", "step_seconds": None, "dropped": 0}
    for folder in folders:
        with contextlib.suppress(OSError):  # a full disk: the training finds the same
            process = folder.process()
            if process is None or process.pid != os.getpid():
                folder.write_process(os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", ""), names)
            write_json(folder.path / "state.json", {**starting, "attempt": None, "updated": time.time(), "probe_share": 0.0})
    return work(folders, stop_requested, lambda: on_signals(lambda *_: stop_requested.set()))


def work(folders: Sequence[RunFolder], stop_requested: threading.Event, loaded: Callable[[], None] = lambda: None) -> int:
    """Train them -> the exit code, which stands for those whose end the disk has not taken."""
    from engine.worker.stack_members import Seat

    seats = []
    for folder in folders:
        seat = Seat(folder, None)
        seats.append(seat)
        try:
            seat.lab = load_lab(folder.spec())
        except Exception as error:
            seat.fail(error)
    living = [seat for seat in seats if not seat.status]
    try:
        kinds = {stacks.alike(seat.folder.spec() or {}, seat.lab.provides) for seat in living}
        if "" in kinds or len(kinds) > 1:
            raise ValueError("These runs cannot be trained together: they differ in more than seeds, or their lab or device allows it not")
        if living:
            train(living, stop_requested, loaded)
    except Exception as error:
        for seat in living:
            seat.fail(error)
    open_ends = {seat.status for seat in seats if not seat.written}
    return CODES[open_ends.pop()] if len(open_ends) == 1 else CODES["failed"] if open_ends else 0


def train(seats: Sequence[Any], stop_requested: threading.Event, loaded: Callable[[], None]) -> None:
    """Set the process up, begin every run, and go on until none is left."""
    from engine.worker.memory import limited

    lab = seats[0].lab
    common = prepare(lab, [seat.folder for seat in seats])
    for n, seat in enumerate(seats):
        stack = {"members": [p.folder.run for p in seats], "place": n, "why": why(seats)}
        write_json(seat.folder.path / "provenance.json", {**common, "data": seat.lab.provenance(), "stack": stack})
        if n:
            with contextlib.suppress(OSError), open(seat.folder.path / "out.log", "a", encoding="utf-8") as log:
                log.write(f"Trained together with others; what their worker says stands in the log of {seats[0].folder.run}.\n")
    loaded()
    with limited(lab.device):
        steps = _begun(seats, stop_requested)
        Together(steps, stop_requested).go()


def why(seats: Sequence[Any]) -> str:
    """What speaks for training them together."""
    folder = seats[0].folder
    return stacks.reason(folder.path.parent.parent, folder.spec() or {}, len(seats)) or "They were started together by hand."


def _begun(seats: Sequence[Any], stop_requested: threading.Event) -> Any:
    """Every run as a member; one that fails or is stopped before it begins does so alone."""
    from engine.worker.begin import begin

    playing = "play" in seats[0].lab.provides
    if playing:
        from engine.worker.play import without_a_model
        from engine.worker.stack_playing import Player as Kind
        from engine.worker.stack_playing import Playings as All
    else:
        from engine.worker.stack_training import Trainee as Kind  # type: ignore[assignment]
        from engine.worker.stack_training import Training as All  # type: ignore[assignment]
    chosen: Any = (lambda lab: lambda probes: without_a_model(lab, probes)) if playing else (lambda lab: lambda probes: probes)
    members = []
    for seat in seats:
        try:
            begun = begin(seat.lab, seat.folder, stop_requested, seat.last, chosen(seat.lab))
            if begun is None:
                seat.end("stopped", seat.last.message)
            elif begun.resume is not None:
                raise ValueError("It has a checkpoint, from which it can only go on alone; start it alone")
            else:
                members.append(Kind(seat, begun))
        except Exception as error:
            seat.fail(error)
    return All(members)


class Together:
    """The steps of a stack, and between them what a run's folder asks for."""

    def __init__(self, steps: Any, stop_requested: threading.Event) -> None:
        self.steps, self.stop_requested = steps, stop_requested

    def go(self) -> None:
        """Until no member is left.  What goes wrong in the pass of all ends all."""
        for member in self.steps.members:
            member.control.tell("training", member)
        try:
            looked = -LOOK_SECONDS
            while self.steps.members:
                if time.monotonic() - looked >= LOOK_SECONDS:
                    self.heed()
                    looked = time.monotonic()
                self.end_those_over()
                if self.steps.members:
                    self.steps.one_step()
        except Exception as error:
            for member in self.steps.members:
                if not member.seat.status:
                    member.break_off(error)
            self.steps.members = []

    def heed(self) -> None:
        """Tell where each is, and look whether anybody wants something of it."""
        from engine.worker.stack_members import each

        self.stay_while_held()
        each(self.steps.members, lambda m: m.control.between_steps(m))
        self.steps.drop_ended()

    def end_those_over(self) -> None:
        over = [m for m in self.steps.members if m.progress.over]
        for member in over:
            member.conclude()
        if over:
            self.steps.drop_ended()

    def stay_while_held(self) -> None:
        """HOLD of one holds all, and every folder says so; a member that is asked to stop ends meanwhile."""
        from engine.worker.stack_members import each

        held = [m for m in self.steps.members if m.control.held()]
        if not held:
            return
        for member in self.steps.members:
            with contextlib.suppress(OSError):
                (member.folder.path / "HOLD").touch()
        while any(m.control.held() for m in self.steps.members) and not self.stop_requested.is_set():
            for member in self.steps.members:
                member.progress.stopping = member.progress.stopping or member.control.asked_to_stop()
            each(self.steps.members, lambda m: m.control.leave_if_gone())
            self.steps.drop_ended()
            self.end_those_over()
            self.stop_requested.wait(0.1)
