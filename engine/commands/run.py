"""Make one run of a lab, wait for its end and show it.

KNOB=VALUE overrides the preset, under the flat dotted names that `labs LAB` lists
(`router=loss_free router.update_rate=1e-3`).  Ctrl-C stops the run with a checkpoint; a second one leaves at once,
and a run that was still importing is stopped by then.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.commands._answer import ANSWERED, BAD_USAGE, FAILED, Refusal, tell
from engine.commands._document import lines
from engine.commands._index import index
from engine.commands._progress import Progress
from engine.commands.labs import catalog
from engine.core import locks
from engine.core.disk import refused, why
from engine.core.paths import data_folder
from engine.declare.resolve import KnobError, read_knobs, resolve
from engine.index.owner import IndexOwner
from engine.runs.ending import CODE_OF_STATUS, ENDED
from engine.runs.folder import RunFolder
from engine.scheduler import control
from engine.scheduler.submit import find_lab, submit
from engine.scheduler.supervisor import Supervisor

EVERY = 0.05  # seconds between two looks
LEAVING = 5.0  # seconds that a worker without work may take to end


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", metavar="LAB")
    parser.add_argument("given", nargs="*", metavar="KNOB=VALUE")
    parser.add_argument("--preset", metavar="P")
    parser.add_argument("--detach", action="store_true", help="start it and leave; it goes on by itself")


def run(args: argparse.Namespace) -> int:
    try:
        given = read_knobs(args.given)
        declared = resolve(find_lab(catalog(), args.lab), args.preset, given)
        folder = submit(data_folder(), declared)
    except KnobError as error:
        raise Refusal(BAD_USAGE, str(error)) from None
    except OSError as error:
        raise Refusal(FAILED, str(error)) from None
    with index(caught_up=False) as owner:
        if args.detach:
            detach(folder)
        else:
            wait(folder, owner)
        owner.catch_up()
        document = owner.store.show(folder.run)
    tell(args.json, document, lines(document))
    return ANSWERED if args.detach else CODE_OF_STATUS[folder.status()]


def detach(folder: RunFolder) -> None:
    """Start the run now, unless a supervisor is on duty, which starts it when a slot is free."""
    supervisor = Supervisor(data_folder())
    try:
        if supervisor.acquire_duty():
            supervisor.launch(folder)
    except OSError as error:
        not_started(folder, why(error))
    finally:
        supervisor.close()


def not_started(folder: RunFolder, reason: str) -> None:
    """End a run that this command could not start: nobody else would, as soon as it has left."""
    mine = locks.take(folder.path / "claim")
    if mine is not None:
        if folder.status() == "queued" and folder.declared():
            folder.write_exit("failed", message=f"It could not be started, for {reason}; resume it once it can.")
        mine.release()


def wait(folder: RunFolder, owner: IndexOwner) -> None:
    """Until the run has ended; as its supervisor, or beside the one that is on duty."""
    supervisor, progress = Supervisor(data_folder()), Progress(folder, owner)
    try:
        with asked_to_leave() as asked:
            told = False
            while folder.status() not in ENDED:
                if asked.is_set() and not told:
                    told = True
                    progress.say("stopping")
                    control.stop(folder, supervisor.executor)
                if reason := pass_of(supervisor):
                    progress.say(f"waits, for {reason}")
                    not_started(folder, reason)
                    code = supervisor.executor.end_of(folder)
                    if code is not None:
                        raise Refusal(code, f"{folder.run} ended with code {code}, which cannot be written, for {reason}.")
                owner.step()
                progress.show()
                if not told:
                    asked.wait(EVERY)
                else:
                    threading.Event().wait(EVERY)
            pass_of(supervisor)
    except KeyboardInterrupt:
        end_what_has_not_begun(folder, supervisor)
        raise
    finally:
        progress.close()
        supervisor.close()


def pass_of(supervisor: Supervisor) -> str:
    """One pass of the supervisor -> why the disk refused what it had to write, or nothing."""
    try:
        supervisor.step()
    except OSError as error:
        if not refused(error):
            raise
        return refused(error)
    return supervisor.no_room


def end_what_has_not_begun(folder: RunFolder, supervisor: Supervisor) -> None:
    """A worker that still imports has nothing to save: it ends now, and the run is stopped.  One that trains saves and ends by itself."""
    if not folder.state().get("step"):
        supervisor.executor.stop(folder, "terminate")
        until = time.monotonic() + LEAVING
        while supervisor.executor.status(folder) not in ENDED and time.monotonic() < until:
            time.sleep(EVERY)


@contextmanager
def asked_to_leave() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM) sets; a second one interrupts, and the run ends by itself."""
    asked = threading.Event()
    before: dict[int, Any] = {}

    def handler(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, old in before.items():
            signal.signal(number, old)
        sys.stderr.flush()
