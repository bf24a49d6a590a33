"""The indexer: brings one index up to date with the folders of the runs, pass after pass.

A pass looks at every run that has not ended, writes what their spools brought together with how far it
read in one transaction, tells the listeners, and sorts and exports one run that has ended.  What fails
in a pass leaves nothing behind: the transaction is rolled back and memory is made again from the index.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from engine.core.files import of_the_machine
from engine.index.batch import IngestBatch
from engine.index.ended_runs import EndedRuns
from engine.index.finish_run import finish
from engine.index.follower import Follower, Row, first_row
from engine.index.ids import Directory
from engine.index.subscribe import Listeners
from engine.index.transaction import forget, known, left_alone, save, totals
from engine.runs.folder import RunFolder
from engine.runs.watch import RunsWatch

BEFORE_ALL = -(2**63) + 1  # a step before every other
ALLOWANCE = 16 * 2**20  # bytes of spools in one transaction

log = logging.getLogger("faultline")


class OddRun(Exception):
    """A run whose folder cannot be followed; its cause says why."""

    def __init__(self, follower: Follower) -> None:
        super().__init__(follower.folder.run)
        self.follower = follower


class Indexer:
    """`lazy`: only runs that were asked for (`load`) are followed, and none is sorted or exported.

    `collect_exit` is called for a worker that died without a word.
    """

    def __init__(
        self,
        runs: Path,
        connection: duckdb.DuckDBPyConnection,
        listeners: Listeners,
        *,
        lazy: bool,
        collect_exit: Callable[[RunFolder], None],
    ) -> None:
        self.runs, self.connection, self.lazy = runs, connection, lazy
        self.directory = Directory()
        self._listeners, self._collect_exit, self._cursor = listeners, collect_exit, connection.cursor()
        self._apart: set[str] = set()  # runs that cannot be followed
        self._begin_again()

    def close(self) -> None:
        self._cursor.close()
        self.connection.close()

    def step(self) -> bool:
        """One pass over the folder -> True when there is more to do at once."""
        self._scan()
        self._followers |= self._ended.take_settled()
        return self._pass(list(self._followers.values()))

    def progress(self) -> tuple[int, int]:
        """-> (runs that were read, sorted and exported, runs that were to be) since there last was nothing to do; (0, 0) then."""
        left = len(self._ended.unsorted) + sum(follower.saved is None for follower in tuple(self._followers.values()))
        self._most = max(self._most, left) if left else 0
        return self._most - left, self._most

    def load(self, folder: RunFolder) -> None:
        """One run that the index does not know, read to its end."""
        self._follow([folder])
        while folder.run in self._followers and self._pass([self._followers[folder.run]]):
            pass

    def rebuild(self, tell: Callable[[int, int], object]) -> dict[str, Any]:
        """Forget everything and read it again -> runs, points, problems; `tell` hears the progress after each pass."""
        forget(self._cursor)
        self._begin_again()
        while self.step():
            tell(*self.progress())
        self._cursor.execute("CHECKPOINT")
        return totals(self._cursor)

    # -- which runs --------------------------------------------------------------------------------

    def _begin_again(self) -> None:
        """Everything in memory is read again from the index, so that a pass that failed counts for nothing."""
        self._followers: dict[str, Follower] = {}
        self._ended = EndedRuns()
        self._most = 0
        self._watch = RunsWatch(self.runs, left_alone(self._cursor))
        self.directory.load(self._cursor)

    def _scan(self) -> None:
        """New, changed and deleted run folders.  Costs one `stat` while nothing happens."""
        seen = self._watch.scan()
        if seen is None:
            return
        indexed = set(self.directory.runs)
        for run in sorted(indexed - seen.present.keys()):
            self._forget(run)
        self._followers |= self._ended.take_changed(seen.present)
        awake = sorted(indexed & seen.awake if self.lazy else seen.awake)
        self._follow([RunFolder(self.runs / run) for run in awake if run not in self._followers and run not in self._ended])
        self.progress()  # from here on it knows how much there is to do

    def _follow(self, folders: list[RunFolder]) -> None:
        ids = self.directory.runs
        saved = known(self._cursor, [ids[folder.run] for folder in folders if folder.run in ids])
        for folder in folders:
            self._follow_one(folder, saved)

    def _follow_one(self, folder: RunFolder, indexed: Mapping[int, tuple[Row, dict[int, int]]]) -> None:
        """`indexed`: what the index has of runs, by id."""
        row = None if folder.run in self._apart else first_row(folder)
        if row is None:
            return  # its declaration is still being written, or it has been set apart
        run_id = self.directory.runs.get(folder.run)
        if run_id is None or run_id not in indexed:
            self._followers[folder.run] = Follower(folder, self.directory.new_run(), row, {})
            return
        saved, offsets = indexed[run_id]
        if (saved["status"] == "unreadable") != (row["status"] == "unreadable"):  # another version kept this index: it starts afresh
            self._forget(folder.run)
            self._follow_one(folder, {})
            return
        follower = Follower(folder, run_id, {**row, **saved}, offsets)
        follower.saved = saved
        self._followers[folder.run] = follower

    def _forget(self, run: str) -> None:
        """Everything of a run out of the index."""
        run_id = self.directory.runs.pop(run, None)
        self._followers.pop(run, None)
        self._ended.forget(run)
        if run_id is not None:
            forget(self._cursor, run_id)

    # -- one pass ----------------------------------------------------------------------------------

    def _pass(self, followers: list[Follower]) -> bool:
        try:
            return self._look_save_tell(followers)
        except OddRun as odd:
            self._begin_again()
            self._set_apart(odd)
            return True
        except Exception:
            with contextlib.suppress(duckdb.Error):  # there was no transaction, or the error ended it
                self._cursor.execute("ROLLBACK")
            self._begin_again()
            raise

    def _set_apart(self, odd: OddRun) -> None:
        """A run that cannot be followed is kept as unreadable, with the reason; the others go on.  It is tried again at the next start."""
        folder, error = odd.follower.folder, odd.__cause__
        log.error("%s cannot be followed (%s: %s)", folder.run, type(error).__name__, error)
        self._apart.add(folder.run)
        run_id = self.directory.runs.get(folder.run)
        follower = Follower(folder, self.directory.new_run() if run_id is None else run_id, dict(odd.follower.row), {})
        problem = f"It cannot be followed ({type(error).__name__}: {str(error)[:200]})."
        follower.row |= {"status": "unreadable", "problem": problem, "sorted": True}
        save(self._cursor, self.directory, IngestBatch(self.directory), [follower])

    def _look_save_tell(self, followers: list[Follower]) -> bool:
        batch, read = IngestBatch(self.directory), 0
        looked: list[Follower] = []
        for follower in followers:
            if read >= ALLOWANCE:
                break
            try:
                read += follower.advance(batch, self._collect_exit)
            except Exception as error:
                if of_the_machine(error) or isinstance(error, duckdb.Error):
                    raise
                raise OddRun(follower) from error
            looked.append(follower)
        lost = [f for f in looked if f.gone or f.misread]
        kept = [f for f in looked if not f.gone and not f.misread]
        for follower in lost:
            batch.supersede(follower.run_id, BEFORE_ALL)
        for follower in kept:
            if follower.can_be_left():
                follower.row["folder_time"] = follower.changed
        save(self._cursor, self.directory, batch, kept)
        for follower in kept:
            self._listeners.publish(follower, batch)
        for follower in lost:
            self._forget(follower.folder.run)
            if follower.misread:
                log.warning("%s: a spool is not the one that was read; the run is read again", follower.folder.run)
                self._follow([follower.folder])
                self._listeners.tell({"run": follower.folder.run, "points": {}, "vectors": {}, "events": [], "reset": 0})
        for follower in kept:  # the first to be read at the next pass is who waited longest
            self._followers[follower.folder.run] = self._followers.pop(follower.folder.run)
        for follower in kept:
            if follower.ended:
                self._end(follower)
        self._sort_few()
        return bool(self._ended.unsorted) or any(f.more or f.misread for f in looked) or len(looked) < len(followers)

    def _end(self, follower: Follower) -> None:
        """A run that is read to its end is followed no longer."""
        run = follower.folder.run
        del self._followers[run]
        if follower.row["status"] == "unreadable":  # looked at again at every start, perhaps by a Faultline that can read it
            self._watch.leave(run)
        elif not follower.row["sorted"] and not self.lazy:
            self._ended.unsorted[run] = follower
        elif not self._watch.leave(run, follower.changed):
            self._ended.unsettled[run] = follower

    def _sort_few(self) -> None:
        """Some ended runs sorted and exported; each is looked at once more, because that has changed its folder."""
        few = self._ended.few()
        if not few:
            return
        problems = finish(self._cursor, {follower.run_id: follower.folder.path for follower in few})
        for follower in few:
            follower.row["sorted"] = (follower.saved or {})["sorted"] = True
            follower.row["problem"] = problems.get(follower.run_id, follower.row["problem"])
            self._ended.forget(follower.folder.run)
            self._followers[follower.folder.run] = follower
        save(self._cursor, self.directory, IngestBatch(self.directory), few)
