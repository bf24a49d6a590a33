"""The fork server: a process that imports torch and Lightning once and forks whatever needs them.

It is started by a server over a socket pair (`python -m engine.worker.fork_server FD`) and never touches CUDA, so a
fork is as good as a fresh interpreter, and seconds faster.  Every child leads its own session and
outlives the lab's server and this process.  The fork server collects its children, writes down how workers ended, and leaves when
its server is gone and no worker lives.  While it warms up nobody waits for it: it leaves when its server has gone or it is
asked to, and when a file of the labs keeps it busy for ever (engine/worker/warming.py).  What few runs need, and what takes a second
to import, it imports once nobody has asked it for anything for a while, and only after a child has come to the end of the same.

A message is one JSON object per packet.  Requests: {"id", "verb", …} with the files a child needs attached.

    hello                                    -> {"id", "pid"} once everything is imported
    worker {"runs": [PATH], "environment": {}}  + [log, lock, …]  -> {"id", "pid"} after proc.json is written
    labs   {"environment": {}}               + [output, log]  -> {"id", "code"} when the child has ended
    data   {"run": PATH, "environment": {}}  + [output, log]  -> the same
    stacking {"runs": [PATH], "environment": {}}  + [log]     -> the same
    panel  {"name", "knobs", "seconds"}      + [output, log]  -> the same
Code -14 (SIGALRM): the last three took longer than they may.

What a child does is in engine/worker/verbs.py.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.declare.stacks import MOST
from engine.runs.folder import RunFolder
from engine.runs.tell_end import tell_end
from engine.worker import panel_libraries
from engine.worker.verbs import VERBS
from engine.worker.warming import Warming

LARGEST = 64 * 1024
AGAIN = 1.0  # seconds until an end that a full disk did not take is told again
IDLE = 1.0  # seconds without anything to do after which the late imports begin
MOST_FILES = 2 + MOST  # the log and the locks of a worker


@dataclass
class Child:
    """A forked child, and whom its end is told: the folders of its runs, a waiting request, or ourselves (`late`).

    `runs`: folder -> our share of its lock, kept until its end is told: nobody may call it lost before.
    """

    runs: dict[Path, int] = field(default_factory=dict)
    waiting: int | None = None
    late: bool = False

    def let_go(self, run: Path) -> None:
        """The run has ended, and whoever resumes it may have its lock."""
        os.close(self.runs.pop(run))


class ForkServer:
    """One loop over two things: requests of the server and ends of children.  `late`: whether it imports more when it is idle."""

    def __init__(self, link: socket.socket, late: bool = False) -> None:
        self.link: socket.socket | None = link
        self.late = late
        self.children: dict[int, Child] = {}
        self.untold: list[tuple[Child, int]] = []  # workers that have ended, with their exit codes, until that is written
        self.woken, wake = os.pipe()
        for end in (self.woken, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the server's business
        signal.signal(signal.SIGTERM, self.on_sigterm)
        self.leaving = False

    def on_sigterm(self, *_: Any) -> None:
        """Only noted: the loop may be waiting for the link, which must not be closed under it."""
        self.leaving = True

    def serve(self) -> None:
        while self.link is not None or self.children or self.untold:
            listening = [self.woken] if self.link is None else [self.woken, self.link.fileno()]
            stacks = any(len(child.runs) > 1 for child in self.children.values())
            ready, _, _ = select.select(listening, [], [], AGAIN if self.untold or stacks else IDLE if self.late else None)
            self.let_go_of_ended()
            self.tell_ends()
            if not ready and self.late and not stacks and self.link is not None:
                self.late = False
                self.fork({"verb": "late"}, [])
            if self.woken in ready:
                os.read(self.woken, 4096)
                self.collect_exit()
            if self.leaving and self.link is not None:
                self.hang_up()
            if self.link is not None and self.link.fileno() in ready:
                self.answer()

    def hang_up(self) -> None:
        """Nobody is left to ask: only workers are minded to their end."""
        if self.link is not None:
            self.link.close()
            self.link = None
        for pid, child in self.children.items():
            if not child.runs:
                for kill in (os.killpg, os.kill):  # before it leads a session there is no group of its number
                    with contextlib.suppress(ProcessLookupError):
                        kill(pid, signal.SIGKILL)

    def answer(self) -> None:
        """Take one request; a server that is gone reads as an empty packet."""
        assert self.link is not None
        try:
            packet, files, _, _ = socket.recv_fds(self.link, LARGEST, MOST_FILES)
        except OSError:
            packet, files = b"", []
        if not packet:
            self.hang_up()
            return
        request = json.loads(packet)
        try:
            if request["verb"] == "hello":
                self.tell(request["id"], pid=os.getpid())
            else:
                self.fork(request, files)
        finally:
            for fd in files:
                os.close(fd)

    def fork(self, request: dict[str, Any], files: list[int]) -> None:
        gc.collect()
        gc.freeze()  # what is old stays shared between parent and child
        with panel_libraries.one_thread() if request["verb"] == "panel" else contextlib.nullcontext():
            pid = os.fork()
            if pid == 0:
                self.run_child(request, files)
        if request["verb"] != "worker":
            self.children[pid] = Child(waiting=request.get("id"), late=request["verb"] == "late")
            return
        runs = [Path(run) for run in request["runs"]]
        self.children[pid] = Child(runs={run: os.dup(lock) for run, lock in zip(runs, files[1:], strict=True)})
        stack = [run.name for run in runs] if len(runs) > 1 else []
        for run in runs:
            with contextlib.suppress(OSError):  # a full disk: the worker finds the same, and says so
                RunFolder(run).write_process(pid, request["environment"].get("CUDA_VISIBLE_DEVICES", ""), stack)
        self.tell(request["id"], pid=pid)

    def run_child(self, request: dict[str, Any], files: list[int]) -> None:
        """In the child: a session and signals of its own, then the verb, then out without a look back."""
        code = 3
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            if self.link is not None:
                self.link.close()
            for other in (*self.children.values(), *(child for child, _ in self.untold)):
                for lock in other.runs.values():
                    os.close(lock)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.environ.update(request.get("environment", {}))
            code = VERBS[request["verb"]](request, files)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 3
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):  # what a full disk refuses must not let this child go on as a second fork server
                    stream.flush()
            os._exit(code)

    def collect_exit(self) -> None:
        while self.children:
            pid, wait = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            child, code = self.children.pop(pid), os.waitstatus_to_exitcode(wait)
            if child.runs:
                self.untold.append((child, code))
            if child.waiting is not None:
                self.tell(child.waiting, code=code)
            if child.late and code == 0:
                from engine.labs.reading import import_late

                import_late()
        self.tell_ends()

    def let_go_of_ended(self) -> None:
        """Of a worker with several runs, those that have ended while others go on."""
        for child in self.children.values():
            for run in [run for run in child.runs if (run / "exit.json").exists()] if len(child.runs) > 1 else ():
                if len(child.runs) > 1:
                    child.let_go(run)

    def tell_ends(self) -> None:
        """Write how workers ended; what a full disk does not take is told again, and its run stays locked until then."""
        left = []
        for child, code in self.untold:
            for run in list(child.runs):
                with contextlib.suppress(OSError):
                    if run.is_dir():
                        tell_end(RunFolder(run), code)
                    child.let_go(run)
            if child.runs:
                left.append((child, code))
        self.untold = left

    def tell(self, number: int, **what: Any) -> None:
        if self.link is None:
            return
        try:
            self.link.send(json.dumps({"id": number, **what}).encode())
        except OSError:
            self.hang_up()


def main(arguments: list[str]) -> int:
    link = socket.socket(fileno=int(arguments[0]))
    with Warming(link):
        warm_up()
    ForkServer(link, late=True).serve()
    return 0


def warm_up() -> None:
    """Import what a run imports, so that no fork has to, without the files that do harm.

    Those that the document of exactly this code names are not tried again: each takes as long as it may.
    """
    import lightning  # noqa: F401
    import torch
    from torch.autograd import forward_ad

    from engine.core.paths import data_folder
    from engine.declare.lab_catalog import leave_out_known
    from engine.labs.reading import import_all, try_imports
    from engine.worker import fit, main  # noqa: F401

    leave_out_known(data_folder())
    try_imports()
    import_all()
    panel_libraries.load()
    with forward_ad.dual_level():  # the first one compiles torch's table of decompositions, half a second
        forward_ad.make_dual(torch.zeros(1), torch.zeros(1))
    assert not torch.cuda.is_initialized(), "the fork server must not touch CUDA: its children could not use it"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
