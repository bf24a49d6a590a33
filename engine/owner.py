"""The owner: the one process that keeps the index of a data folder, exactly once, and tells others what is new.

It holds data/owner.lock and the only DuckDB connection, follows the run folders, and in one
transaction a pass writes what their spools brought together with how far it read.  Where another
process holds the lock the same code becomes a reader: it keeps its index in memory, loads a run when
it is asked for it, and writes nothing into runs.

A run folder made by anybody is seen within one pass.  Whoever resumes an ended run may touch
`data/runs` so that it is seen at once; otherwise it is within SWEEP seconds.
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

from engine.batch import Batch
from engine.finish import finish
from engine.folder import RUN_ID, RunFolder, run_folder
from engine.follow import SETTLED, Follower, first_row
from engine.index import InUse, check, in_memory, move_aside, open_index, take_lock
from engine.names import Directory
from engine.publish import Listeners, Message, message_of
from engine.saving import forget, offsets_of, rows_of, save, totals
from engine.store import Store

PASS = 0.1  # seconds between two passes
SWEEP = 5.0  # seconds between two looks at runs that have ended
VACANT = 1.0  # seconds between two looks of a reader whether the owner has left
ALLOWANCE = 16 * 2**20  # bytes of spools in one transaction
GONE = "The worker was gone without a word: the machine went down, or somebody ended it."

log = logging.getLogger("faultline")


class Owner:
    """`role`: "owner" or "reader".  `lazy`: runs are loaded when asked for (a reader, or an owner whose file is in use elsewhere).

    `store` answers questions.  `problem` is a sentence while something is wrong with the index itself.
    `reaper`: asked about a worker that died without a word; True means that somebody else tells its end.
    """

    def __init__(self, data: Path, *, memory: bool = False) -> None:
        self.data, self.runs = Path(data), Path(data) / "runs"
        self.runs.mkdir(parents=True, exist_ok=True)
        self.file = self.data / "faultline.duckdb"
        self.reaper: Callable[[RunFolder], bool] | None = None
        self.problem = ""
        self._memory, self._next_try = memory, 0.0
        self._lock_file = None if memory else take_lock(self.data / "owner.lock")
        self.role = "owner" if self._lock_file is not None else "reader"
        self.lazy = self.role == "reader"
        self._turn = threading.RLock()  # one pass at a time
        self._directory, self._listeners = Directory(), Listeners()
        self._followers: dict[str, Follower] = {}
        self._done: dict[str, float] = {}  # ended runs: the folder's modification time when it was last looked at
        self._listed, self._next_sweep = None, 0.0
        self._stopping, self._thread = threading.Event(), None
        self._open()
        self.store = self._make_store()

    def _make_store(self) -> Store:
        return Store(lambda: self._connection, self._directory, self.data, need=self.ensure, lazy=self.lazy)

    def _open(self) -> None:
        if self.lazy:
            self._connection = in_memory()
        else:
            try:
                self._connection, self.problem = open_index(self.file)
            except InUse as error:
                self.lazy, self.problem = True, f"{error} The index is kept in memory until the lab is started again."
                self._connection = in_memory()
        self._cursor = self._connection.cursor()
        self._directory.load(self._cursor)

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
            self._cursor.close()
            self._connection.close()
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    def _work(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                self.promote()
                pause = 0.0 if self.step() else PASS
            except Exception as error:  # a full disk, a damaged file: the thread outlives it and says so
                log.exception("the owner's pass failed")
                self.problem = f"The index could not be brought up to date ({type(error).__name__}): {str(error).splitlines()[0]}"
                pause = 1.0

    # -- what others ask ---------------------------------------------------------------------------

    def subscribe(self, runs: Iterable[str], callback: Callable[[Message], None]) -> Callable[[], None]:
        """Hear of every committed pass that touches these runs, from the owner's thread -> call it to hear no more."""
        runs = frozenset(runs)
        for run in runs if self.lazy else ():
            try:
                self.ensure(run)
            except KeyError:
                continue  # it may appear later
        return self._listeners.add(runs, callback)

    def ensure(self, run: str) -> None:
        """The run is in the index, wholly read if it was not there before.  KeyError when there is no such run."""
        if run in self._directory.runs:
            return
        folder = run_folder(self.data, run)
        with self._turn:
            if run not in self._directory.runs:
                self._follow(folder)
                while run in self._followers and self._pass([self._followers[run]]):
                    pass

    def promote(self) -> bool:
        """A reader takes the place of an owner that has left; looks once in VACANT seconds -> whether this is the owner now."""
        if self.role == "reader" and not self._memory and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + VACANT
            lock = take_lock(self.data / "owner.lock")
            if lock is not None:
                with self._turn:
                    old = self._connection  # whoever is in the middle of a question to the old store is answered from there
                    self.store._connection = lambda: old
                    self._cursor.close()
                    self._lock_file, self.role, self.lazy = lock, "owner", False
                    self._directory = Directory()
                    self._open()
                    self._begin_again()
                    self.store = self._make_store()
        return self.role == "owner"

    def step(self) -> bool:
        """One pass: new folders, new frames, one transaction, news to the listeners -> True when there is more to do at once."""
        with self._turn:
            self._scan()
            return self._pass(list(self._followers.values()))

    def catch_up(self) -> None:
        """Pass after pass until nothing is left to read, sort or export."""
        while self.step():
            pass

    def rebuild(self) -> dict[str, Any]:
        """Forget the index and make it again from the files of the runs."""
        if self.role != "owner":
            holder = (self.data / "owner.lock").read_text().strip() or "unknown"
            raise RuntimeError(f"Process {holder} owns {self.data}; stop it first, or rebuild there.")
        with self._turn:
            forget(self._cursor)
            self._begin_again()
            self.catch_up()
            self._cursor.execute("CHECKPOINT")
            return totals(self._cursor)

    # -- one pass ----------------------------------------------------------------------------------

    def _scan(self) -> None:
        """New, changed and deleted run folders.  Costs one `stat` while nothing happens."""
        changed, now = os.stat(self.runs).st_mtime, time.monotonic()
        if changed == self._listed and time.time() - changed > SETTLED and now < self._next_sweep:
            return
        self._listed, self._next_sweep = changed, now + SWEEP
        present = {entry.name: entry for entry in os.scandir(self.runs) if RUN_ID.match(entry.name)}
        known = set(self._directory.runs)
        for run in sorted(known - set(present)):
            self._forget(run)
        for run in sorted(known if self.lazy else present):
            if run in present and run not in self._followers and self._done.get(run) != present[run].stat().st_mtime:
                self._follow(RunFolder(self.runs / run))

    def _follow(self, folder: RunFolder) -> None:
        row = first_row(folder)
        if row is None:
            return  # its declaration is still being written
        run_id = self._directory.runs.get(folder.run)
        if run_id is None:
            self._followers[folder.run] = Follower(folder, self._directory.new_run(), row, {})
            return
        saved = rows_of(self._cursor, run_id)
        follower = Follower(folder, run_id, {**row, **saved}, offsets_of(self._cursor, run_id))
        follower.saved = saved
        self._followers[folder.run] = follower

    def _pass(self, followers: list[Follower]) -> bool:
        try:
            return self._look_save_tell(followers)
        except Exception:
            self._recover()
            raise

    def _look_save_tell(self, followers: list[Follower]) -> bool:
        batch, read = Batch(self._directory), 0
        looked: list[Follower] = []
        for follower in followers:
            if read >= ALLOWANCE:
                break
            read += follower.look(batch, self._reap)
            looked.append(follower)
            run = follower.folder.run
            if follower.gone or follower.misread:
                batch.supersede(follower.run_id, 0)
                self._followers.pop(run)
        wanted = self._listeners.runs()
        kept = [f for f in looked if not f.gone and not f.misread]
        save(self._cursor, self._directory, batch, kept)
        for follower in kept:
            if follower.folder.run in wanted and (message := message_of(follower, batch)):
                self._listeners.tell(message)
        for follower in looked:
            if follower.gone or follower.misread:
                self._forget(follower.folder.run)
                if follower.misread:
                    log.warning("%s: a spool is not the one that was read; the run is read again", follower.folder.run)
                    self._follow(follower.folder)
                    self._listeners.tell({"run": follower.folder.run, "points": {}, "vectors": {}, "events": [], "reset": 0})
        self.problem = "" if self.problem.startswith("The index could not") else self.problem
        finished = self._finish_one(kept)
        for follower in looked:  # the first to be read at the next pass is who waited longest
            if follower.folder.run in self._followers:
                self._followers[follower.folder.run] = self._followers.pop(follower.folder.run)
        return finished or any(f.more or f.misread for f in looked) or len(looked) < len(followers)

    def _finish_one(self, followers: list[Follower]) -> bool:
        """Sort and export one ended run, and follow the ended ones no longer -> True when another waits."""
        waiting = [f for f in followers if f.ended]
        for follower in waiting:
            if not follower.row["sorted"] and not self.lazy:
                problem = finish(self._cursor, follower.run_id, follower.folder.path)
                follower.row["sorted"] = True
                if problem:
                    follower.row["problem"] = problem
                    save(self._cursor, self._directory, Batch(self._directory), [follower])
                self._leave(follower)
                return len(waiting) > 1
            self._leave(follower)
        return False

    def _leave(self, follower: Follower) -> None:
        self._followers.pop(follower.folder.run, None)
        self._done[follower.folder.run] = os.stat(follower.folder.path).st_mtime

    def _forget(self, run: str) -> None:
        """Everything of a run out of the index."""
        run_id = self._directory.runs.pop(run, None)
        self._followers.pop(run, None)
        self._done.pop(run, None)
        if run_id is not None:
            forget(self._cursor, run_id)

    def _reap(self, folder: RunFolder) -> None:
        if self.role == "owner" and not (self.reaper is not None and self.reaper(folder)):
            with contextlib.suppress(OSError):  # a full disk: it is lost all the same, and told at a later pass
                folder.write_exit("lost", says=GONE)

    # -- when the index fails ----------------------------------------------------------------------

    def _begin_again(self) -> None:
        """Everything in memory is read again from the index, so that a pass that failed counts for nothing."""
        self._followers, self._done, self._listed = {}, {}, None
        self._directory.load(self._cursor)

    def _recover(self) -> None:
        """After a pass that failed: roll back and carry on, or where the file itself is damaged move it aside and begin a new one."""
        with contextlib.suppress(duckdb.Error):  # there was no transaction, or the error ended it
            self._cursor.execute("ROLLBACK")
        try:
            self._begin_again()
            if not self.lazy:
                check(self._cursor)
        except duckdb.Error:
            self._cursor.close()
            self._connection.close()
            if not self.lazy:
                move_aside(self.file)
            self._open()
            self._begin_again()
