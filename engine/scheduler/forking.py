"""Executor that asks the fork server for a fork, and starts a plain process where there is no fork server to ask."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import IO, Any, BinaryIO

from engine.core import started
from engine.core.code_key import key
from engine.core.environment import for_workers
from engine.core.files import regular
from engine.core.locks import RunLock
from engine.core.paths import ROOT, private_folder
from engine.runs.folder import RunFolder
from engine.scheduler.local import Local, data_of, on_cpu

COMEBACKS = 2  # times that a fork server which a signal ended before it was warm is started again
HUNG_UP = 2.0  # seconds after which a fork server that has hung up does not end, but minds its workers
PATIENCE = 30.0  # seconds for an answer to a fork; a machine under load forks in milliseconds


class ForkingExecutor(Local):
    """`ready` turns true when torch is imported, or when it is clear that there will be no fork server (`problem` says why).

    `code` names the code on disk: what a fork server has in memory must be of the same name, or it is renewed and not asked.
    """

    def __init__(self, data: Path, command: Sequence[str] | None = None, code: Callable[[], str] = key) -> None:
        super().__init__()
        self.data, self.problem = data, ""
        self.code, self._of = code, ""
        self.fork_server_command = list(command or (sys.executable, "-m", started.FORK_SERVER))
        self.pid: int | None = None
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._sending = threading.Lock()
        self._warm = threading.Event()
        self._closing = self._renewing = False
        self._comebacks = COMEBACKS

    # -- its life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start warming up; returns at once.  A fork server that died is replaced."""
        if not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
            self._give_up("this system cannot fork")
            return
        self._of = self.code()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        private_folder(self.data)
        try:
            with self._log() as log:
                self._process = subprocess.Popen(
                    [*self.fork_server_command, str(theirs.fileno())],
                    cwd=ROOT,
                    env=for_workers({"FAULTLINE_DATA": str(self.data.resolve())}),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(theirs.fileno(),),
                )
        except OSError as error:
            ours.close()
            self._give_up(f"it could not be started: {error}")
            return
        finally:
            theirs.close()
        self._link = ours
        threading.Thread(target=self._listen, args=(ours, self._process), name="fork server", daemon=True).start()
        self._ask("hello").add_done_callback(self._greeted)

    @property
    def ready(self) -> bool:
        return self._warm.is_set()

    @property
    def warm(self) -> bool:
        """True while a fork server can be asked."""
        return self._link is not None and self.pid is not None

    def current(self) -> bool:
        if self.warm and self._of != self.code():
            self.renew()
            return False
        return self.warm

    def renew(self) -> None:
        """Hang up, so that the listener of the old fork server starts a new one; the old one leaves with its last child."""
        link = self._link
        if link is not None:
            self._warm.clear()
            self._renewing = True
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def wait(self, seconds: float) -> bool:
        """Wait until `ready`."""
        return self._warm.wait(seconds)

    def close(self) -> None:
        """Hang up: the fork server leaves when its last child has ended."""
        self._closing = True
        if self._link is not None:
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)
        super().close()

    # -- what it is asked --------------------------------------------------------------------------

    def submit_together(self, folders: Sequence[RunFolder], locks: Sequence[RunLock], environment: Mapping[str, str]) -> None:
        if self.current():
            runs = [str(folder.path.resolve()) for folder in folders]
            with open(folders[0].path / "out.log", "ab", opener=regular) as log:
                files = [log.fileno(), *(lock.fd for lock in locks)]
                answer = self._ask("worker", files, runs=runs, environment=dict(environment))
                try:
                    answer.result(PATIENCE)
                    forked = True
                except (FutureTimeout, ConnectionError):
                    forked = any(folder.process() is not None for folder in folders)  # and only the answer was lost
            if forked:
                for lock in locks:
                    lock.release()
                return
        super().submit_together(folders, locks, environment)

    def measure(self, folders: Sequence[RunFolder]) -> Callable[[], bool]:
        """In a fork, or in a plain process where there is none."""
        if not self.current():
            return super().measure(folders)
        with self._log() as log:
            runs = [str(folder.path.resolve()) for folder in folders]
            return self._ask("stacking", [log.fileno()], runs=runs, environment=on_cpu(folders[0])).done

    def labs(self, seconds: float = 300.0) -> dict[str, Any]:
        """The document of `labs --json` before its texts are filled, computed in a fork.  ConnectionError when that fails."""
        code, told = self._document("labs", seconds)
        if told is None:
            raise ConnectionError(f"computing the catalog of labs ended with code {code}; see {self.data / 'fork_server.log'}")
        return told

    def panel(self, name: str, knobs: Mapping[str, Any], seconds: float) -> tuple[int, dict[str, Any] | None]:
        """A panel's answer (engine/labs/panel_frames.py), computed in a fork that is killed after `seconds` -> (exit code, answer).

        ConnectionError when the fork server is gone, TimeoutError when it does not say how the fork ended.
        """
        on_cpu = {"CUDA_VISIBLE_DEVICES": ""}
        return self._document("panel", seconds + PATIENCE, name=name, knobs=knobs, seconds=seconds, environment=on_cpu)

    def data_today(self, folder: RunFolder) -> dict[str, Any]:
        """In a fork, or in a plain process where there is none."""
        if self.current():
            with contextlib.suppress(FutureTimeout, ConnectionError):
                _, told = self._document("data", PATIENCE, run=str(folder.path.resolve()), environment=on_cpu(folder))
                if told is not None:
                    return data_of(told)
        return super().data_today(folder)

    def _document(self, verb: str, patience: float, **what: Any) -> tuple[int, dict[str, Any] | None]:
        """Ask for a document that a fork writes -> (its exit code, the document when that was 0)."""
        with self._log() as log, _nameless() as out:
            told = self._ask(verb, [out.fileno(), log.fileno()], **what).result(patience)
            if told["code"]:
                return told["code"], None
            out.seek(0)
            return 0, json.load(out)

    def _log(self) -> BinaryIO:
        """What the fork server says goes to its log, as far as the disk takes it."""
        try:
            return open(self.data / "fork_server.log", "ab")
        except OSError:
            return open(os.devnull, "ab")

    def _ask(self, verb: str, files: Sequence[int] = (), **what: Any) -> Future[dict[str, Any]]:
        answer: Future[dict[str, Any]] = Future()
        with self._sending:
            number = next(self._numbers)
            self._waiting[number] = answer
            try:
                if self._link is None:
                    raise ConnectionError("there is no fork server")
                socket.send_fds(self._link, [json.dumps({"id": number, "verb": verb, **what}).encode()], list(files))
            except OSError as error:
                del self._waiting[number]
                answer.set_exception(ConnectionError(f"the fork server does not listen: {error}"))
        return answer

    def _listen(self, link: socket.socket, process: subprocess.Popen[bytes]) -> None:
        while True:
            try:
                packet = link.recv(64 * 1024)
            except OSError:
                packet = b""
            if not packet:
                break
            told = json.loads(packet)
            waiting = self._waiting.pop(told["id"], None)
            if waiting is not None:
                waiting.set_result(told)
        with self._sending:
            link.close()
            if self._link is link:
                self._link, self.pid = None, None
            lost, self._waiting = self._waiting, {}
        for waiting in lost.values():
            waiting.set_exception(ConnectionError("the fork server has gone"))
        if self._closing:
            process.returncode = 0  # it minds its last children; nobody waits for it
        elif self._renewing:
            self._renewing = False
            self.start()
            process.wait()  # in this thread, however long its last child trains
        else:
            try:
                self._after_death(process.wait(HUNG_UP))
            except subprocess.TimeoutExpired:  # somebody asked it to leave, and it minds its last workers
                if not self._closing:
                    self._warm.clear()
                    self.start()
                process.wait()

    def _greeted(self, answer: Future[dict[str, Any]]) -> None:
        if answer.exception() is None:
            self.pid, self.problem, self._comebacks = answer.result()["pid"], "", COMEBACKS
            self._warm.set()

    def _after_death(self, code: int) -> None:
        """A fork server that had been warm, or that somebody killed, is replaced; one that ended by itself would only end again."""
        killed = code < 0 and self._comebacks > 0
        if self._closing:
            return
        if self._warm.is_set() and not self.problem:
            self._warm.clear()
        elif killed:
            self._comebacks -= 1
        else:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            self._give_up(f"it {how} before it was warm; see fork_server.log in the data folder")
            return
        time.sleep(0.1)
        self.start()

    def _give_up(self, why: str) -> None:
        self.problem = f"Runs start as plain processes, seconds slower: no fork server, {why}."
        self._warm.set()


def _nameless() -> IO[str]:
    """A file without a name for a document that goes from one process to another: in memory, which a full disk does not touch."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("document"), "w+", encoding="utf-8")
    return tempfile.TemporaryFile("w+", encoding="utf-8")
