"""The owner: the one process that keeps the index of a data folder, exactly once, and tells others what is new.

It holds data/owner.lock and the only connection to the index file.  Where another process holds the
lock the same code becomes a reader: it keeps an index in memory, loads a run when it is asked for it,
writes nothing into runs, and takes the owner's place when that one leaves.  While the disk takes no
writes, owner and reader alike answer from memory, and the index file stays as it is until there is room.

A run folder made by anybody is seen within one pass.  Whoever resumes an ended run may touch
`data/runs` so that it is seen at once; otherwise it is seen within a few seconds.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb

from engine.core.disk import has_room, refused, why
from engine.core.paths import private_folder
from engine.index.connection import Unusable, check, holder, in_memory, looks_damaged, open_index, take_lock
from engine.index.indexer import Indexer
from engine.index.store import Store
from engine.index.subscribe import Listeners, Message
from engine.runs.folder import RunFolder, run_folder

PASS, UNWATCHED = 0.1, 0.25  # seconds between two passes, while somebody listens and while nobody does
VACANT = 1.0  # seconds between two looks of a reader whether the owner has left
AGAIN, SELDOM = 5.0, 300.0  # seconds until a file that the disk refused is tried again; twice as many after each refusal, at most SELDOM
GONE = "The worker was gone without a word: the machine went down, or somebody ended it."

log = logging.getLogger("faultline")


class IndexOwner:
    """`role`: "owner" or "reader".  `lazy`: runs are loaded when asked for (a reader, or an owner whose file is in use elsewhere).

    `store` answers questions.  `problem` is a sentence while something is wrong with the index itself.
    `reaper`: asked about a worker that died without a word; True means that somebody else tells its end.
    """

    def __init__(self, data: Path, *, memory: bool = False) -> None:
        self.data, self.runs = Path(data), Path(data) / "runs"
        private_folder(self.runs)
        self.file = self.data / "faultline.duckdb"
        self.reaper: Callable[[RunFolder], bool] | None = None
        self.problem = ""
        self._trouble, self._unwritten = "", ""  # why the last pass failed, why the index is kept in memory although nobody else keeps it
        self._memory, self._next_try, self._pause = memory, 0.0, AGAIN
        self._lock_file = None if memory else self._take_lock()
        self._turn = threading.RLock()  # one pass at a time
        self._listeners = Listeners()
        self._suspected = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._open()

    @property
    def role(self) -> str:
        return "reader" if self._lock_file is None else "owner"

    def _take_lock(self) -> int | None:
        """The lock of the folder, or None while another process has it and where the folder cannot be written."""
        try:
            lock = take_lock(self.data / "owner.lock")
        except OSError as error:
            self._unwritten = self.problem = (
                f"{self.data} cannot be written, for {why(error)}: its runs can be read, and none can be started."
            )
            return None
        if self.problem == self._unwritten:
            self._unwritten = self.problem = ""
        return lock

    def _open(self) -> None:
        """The index file, or one in memory for a reader and where the file cannot be opened."""
        self.lazy = self._lock_file is None
        if not self.lazy:
            try:
                self._serve_file()
                return
            except (Unusable, duckdb.Error) as error:
                if refused(error):
                    self._put_off(error)
                    return
                if isinstance(error, duckdb.Error):
                    raise
                self.lazy = True
                self.problem = f"{error} The index is kept in memory until the lab is started again."
        self._serve(in_memory())

    def _put_off(self, error: Exception) -> None:
        """The disk refused the file, which stays as it is: the runs' own files answer until it takes writes again."""
        self.lazy = True
        self._unwritten = self.problem = (
            f"The index cannot be written, for {refused(error)}: runs are read from their own files until it can."
        )
        self._next_try, self._pause = time.monotonic() + self._pause, min(SELDOM, 2 * self._pause)
        self._serve(in_memory())
        for run in self._listeners.runs():
            with contextlib.suppress(KeyError):
                self.ensure(run)

    def _return(self) -> None:
        """To the index file, once the disk has room."""
        if self.lazy and self._unwritten and self._lock_file is not None and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + self._pause
            if has_room(self.data):
                with self._turn:
                    memory, self._unwritten, self.problem = self._indexer, "", ""
                    self._open()
                    memory.close()

    def _serve_file(self) -> None:
        """From the index file; one that opens, and then turns out to be damaged, is read in full, moved aside and made again."""
        try:
            self._serve(*open_index(self.file))
        except duckdb.Error as error:
            if not looks_damaged(error):
                raise
            self._serve(*open_index(self.file, examine=True))

    def _serve(self, connection: duckdb.DuckDBPyConnection, message: str = "") -> None:
        """What keeps an index up to date, and who answers from it."""
        self.problem = message or self.problem
        try:
            self._indexer = Indexer(self.runs, connection, self._listeners, lazy=self.lazy, collect_exit=self._collect_exit)
        except BaseException:
            connection.close()  # DuckDB shares a file among the connections of a process
            raise
        self.store = Store(connection, self._indexer.directory, self.data, self.lazy, need=self.ensure, suspect=self._suspect)

    # -- the thread --------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the folder from a thread until `stop`."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._work, name="owner", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread, close the index and let go of the lock."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._turn:
            with contextlib.suppress(duckdb.Error):  # a full disk: what is committed lies in the log beside the file
                self._indexer.close()
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    def _work(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                self.promote()
                pause = 0.0 if self.step() else PASS if self._listeners.runs() else UNWATCHED
            except Exception:  # a full disk, a damaged file: the thread outlives it, and `problem` says so
                pause = 1.0

    # -- what others ask ---------------------------------------------------------------------------

    def subscribe(self, runs: Iterable[str], callback: Callable[[Message], None]) -> Callable[[], None]:
        """Hear of every committed pass that touches these runs, from the owner's thread -> call it to hear no more."""
        runs = frozenset(runs)
        for run in runs if self.lazy else ():
            with contextlib.suppress(KeyError):  # it may appear later
                self.ensure(run)
        return self._listeners.add(runs, callback)

    def ensure(self, run: str) -> None:
        """The run is in the index, wholly read if it was not there before.  KeyError when there is no such run."""
        if run in self._indexer.directory.runs:
            return
        folder = run_folder(self.data, run)
        with self._turn:
            if run not in self._indexer.directory.runs:
                self._indexer.load(folder)

    def promote(self) -> bool:
        """A reader takes the place of an owner that has left, an owner to a file that the disk refused -> is this the owner now?"""
        self._return()
        if self.role == "reader" and not self._memory and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + VACANT
            lock = self._take_lock()
            if lock is not None:
                with self._turn:  # the old index goes with the last question that is answered from it
                    self._lock_file = lock
                    self._open()
        return self.role == "owner"

    def step(self) -> bool:
        """One pass: new folders, new frames, one transaction, news to the listeners -> True when there is more to do at once."""
        with self._turn:
            try:
                if self._suspected:
                    self._recover()
                more = self._indexer.step()
            except Exception as error:
                if isinstance(error, duckdb.Error) and refused(error) and not self.lazy:
                    self._leave_file(error)
                    return True
                if not self._trouble:
                    log.exception("a pass of the owner failed")
                self._trouble = f"The index could not be brought up to date ({type(error).__name__}): {str(error).splitlines()[0]}"
                self.problem = self._trouble
                self._suspected |= looks_damaged(error)
                raise
            if not self.lazy:
                self._pause = AGAIN
            if self._trouble:
                self.problem = "" if self.problem == self._trouble else self.problem
                self._trouble = ""
            return more

    def progress(self) -> tuple[int, int]:
        """-> (runs that are read, sorted and exported, runs that have to be); (0, 0) while nothing waits."""
        return self._indexer.progress()

    def catch_up(self, tell: Callable[[int, int], object] = lambda done, of: None) -> None:
        """Pass after pass until all is read, sorted and exported; `tell` hears the progress.  Damage met on the way is repaired, once."""
        repaired, more = False, True
        while more:
            try:
                more = self.step()
                tell(*self.progress())
            except Exception:
                if repaired or not self._suspected:
                    raise
                repaired = True

    def rebuild(self, tell: Callable[[int, int], object] = lambda done, of: None) -> dict[str, Any]:
        """Forget the index and make it again from the files of the runs -> {"runs", "points", "problems"}."""
        if self.role != "owner" and not self._unwritten:
            raise RuntimeError(
                f"Process {holder(self.data / 'owner.lock') or 'unknown'} owns {self.data}; stop it first, or rebuild there."
            )
        if self.lazy:
            raise RuntimeError(self.problem)
        with self._turn:
            try:
                return self._indexer.rebuild(tell)
            except duckdb.Error as error:
                if refused(error):
                    self._leave_file(error)
                    raise RuntimeError(self.problem) from error
                if not looks_damaged(error):
                    raise
                self._recover()
                return self._indexer.rebuild(tell)

    # -- inside ------------------------------------------------------------------------------------

    def _collect_exit(self, folder: RunFolder) -> None:
        if self.role == "owner" and not (self.reaper is not None and self.reaper(folder)):
            with contextlib.suppress(OSError):  # a full disk: it is lost all the same, and told at a later pass
                folder.write_exit("lost", message=GONE)

    def _leave_file(self, error: Exception) -> None:
        """Close the file, which the disk refused, and answer from memory."""
        with contextlib.suppress(duckdb.Error):
            self._indexer.close()
        self._put_off(error)

    def _suspect(self, store: Store, error: Exception) -> Store:
        """A question to `store` failed in a way that a damaged file or a full disk would explain: look at once -> who answers from now on.

        A server's pages get what the new index has so far; a command, which has no thread beside it, waits until it is whole.
        """
        with self._turn:
            if self.store is store and not self._stopping.is_set():  # else another store answers already, or none any more
                if refused(error):
                    if not self.lazy:
                        self._leave_file(error)
                    return self.store
                self._suspected = True
                self._recover()
                if self._thread is None:
                    self.catch_up()
            return self.store

    def _recover(self) -> None:
        """Read the whole index; where that fails open the file again, and where that fails too begin a new one."""
        if not self.lazy:
            try:
                check(self._indexer.connection)
            except duckdb.Error:
                self._indexer.close()
                self._serve(*open_index(self.file, examine=True))
        self._suspected = False
