"""The supervisor: starts queued runs as slots become free, tells how workers ended, and presses those that were asked to stop.

How a worker is started is an executor's business: a fork (engine/scheduler/forking.py) or a plain process.
The queue is the folder itself: a run with a declaration and no worker yet, in the order of engine/scheduler/queue.py.
Nothing is kept in memory that the folder does not say, so a new supervisor takes over where a dead one left off.
One process at a time is on duty; the others look at every pass whether it has left.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.core import device, disk, locks
from engine.core.files import of_the_machine
from engine.core.paths import private_folder
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from engine.runs.watch import RunsWatch
from engine.scheduler import control
from engine.scheduler.completion import Completion
from engine.scheduler.executor import Executor
from engine.scheduler.launch import environment_of, lock_to_start
from engine.scheduler.local import Local
from engine.scheduler.pairs import Pairs
from engine.scheduler.pressing import Pressing
from engine.scheduler.queue import QueueOrder
from engine.scheduler.slots import Slots
from engine.scheduler.stacking import MEASURING, Stacking

TERMINATE_AFTER, KILL_AFTER = 10.0, 20.0  # seconds since STOP was seen
WARMING = "the lab is warming up: torch is being imported, which takes some seconds"
PAUSED = "it is paused in the queue"
ELSEWHERE = "another process on this machine starts the runs"

log = logging.getLogger("faultline")


class Supervisor:
    """Slots: a CPU run takes its `threads` of `cores`; a GPU run takes one of `gpus`."""

    def __init__(
        self,
        data: Path,
        executor: Executor | None = None,
        *,
        cores: int | None = None,
        gpus: Sequence[str] | None = None,
        every: float = 0.1,
        terminate_after: float = TERMINATE_AFTER,
        kill_after: float = KILL_AFTER,
    ) -> None:
        self.data, self.executor, self.every = Path(data), executor or Local(), every
        self.cores = device.cores() if cores is None else cores
        self.gpus = list(device.gpus() if gpus is None else gpus)
        self.pressing = Pressing(self.executor, terminate_after, kill_after)
        self.stacking = Stacking(self.data, self.executor)
        self.pairs = Pairs(self.data)
        self.problem = ""  # why the last pass failed, in one sentence
        self.no_room = ""  # why the disk let no run start in the last pass
        self.order = QueueOrder(self.data)
        self.blocked_by: dict[str, str] = {}  # queued run -> why it has not been started
        self._refusal: Exception | None = None  # what the machine refused in this pass
        self._odd: dict[str, str] = {}  # run that was passed over -> the error that was logged
        self._watched: set[str] = set()  # runs that have not ended, and folders without a declaration yet
        self._watch = RunsWatch(self.data / "runs")
        self._sweeps = Completion(self.data)
        self._post: locks.RunLock | None = None
        self._pass = threading.RLock()
        self._awake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    # -- the thread --------------------------------------------------------------------------------

    def start(self) -> None:
        if self._thread is None:
            self._closing = False
            self._thread = threading.Thread(target=self._loop, name="supervisor", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop minding; living workers go on."""
        self._closing = True
        self.wake()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._pass:
            if self._post is not None:
                self._post.release()
                self._post = None
        self.executor.close()

    def wake(self) -> None:
        """Look at the folder now rather than at the next pass."""
        self._awake.set()

    def _loop(self) -> None:
        while not self._closing:
            self._awake.clear()
            try:
                self.step()
                self.problem = ""
            except Exception as error:  # the thread must outlive a full disk or a vanished folder, and say so
                reason = disk.refused(error)
                failed = f"The supervisor's last pass failed: {type(error).__name__}: {error}"
                self.problem = f"How runs stand cannot be written down: {reason}. It is tried again and again." if reason else failed
            self._awake.wait(self.every)

    # -- one pass ----------------------------------------------------------------------------------

    def acquire_duty(self) -> bool:
        """Go on duty if nobody else is -> whether this supervisor is on duty."""
        with self._pass:
            if self._post is None:
                private_folder(self.data)
                self._post = locks.take(self.data / "supervisor.lock")
            return self._post is not None

    @property
    def on_duty(self) -> bool:
        """Whether this supervisor starts the runs of the folder now."""
        return self._post is not None

    def step(self) -> bool:
        """One pass over the folder: ends, stops, starts -> whether this supervisor is on duty.

        OSError, after the pass, where the machine refused something: what has to be written is tried again at the next one.
        """
        with self._pass:
            if not self.acquire_duty():
                return False
            self._complete_sweeps()
            self._scan()
            living: list[RunFolder] = []
            queued: list[RunFolder] = []
            for folder in (RunFolder(self.data / "runs" / run) for run in sorted(self._watched)):
                with self._alone(folder):
                    self._sort(folder, living, queued)
            self._start(living, queued)
            refusal, self._refusal = self._refusal, None
            if refusal is not None:
                raise refusal
            return True

    def _complete_sweeps(self) -> None:
        try:
            self._sweeps.step()
        except OSError as error:  # a full disk: tried again, and told after the pass
            self._refusal = self._refusal or error

    def _sort(self, folder: RunFolder, living: list[RunFolder], queued: list[RunFolder]) -> None:
        """One run of a pass: into `living` or `queued`, or nobody's business any more."""
        if not folder.declared():
            return
        status = self.executor.status(folder)
        if status in ENDED and self.pressing.is_exiting(folder):
            living.append(folder)
        elif status in ENDED:
            self._forget(folder)
        elif status == "queued":
            queued.append(folder)
        else:
            living.append(folder)
            self.pressing.escalate(folder)

    @contextlib.contextmanager
    def _alone(self, folder: RunFolder) -> Iterator[None]:
        """What goes wrong with one run stops no other; it is logged once.  A full disk, or no more files to open, is told at the end."""
        try:
            yield
        except Exception as error:
            if of_the_machine(error):
                self._refusal = self._refusal or error
            elif self._odd.get(folder.run) != repr(error):
                self._odd[folder.run] = repr(error)
                log.error("the supervisor passes over %s (%s: %s)", folder.run, type(error).__name__, error)

    def _scan(self) -> None:
        """Which runs to look at.  Costs one `stat` while nothing happens; whoever resumes a run touches the folder."""
        with contextlib.suppress(FileNotFoundError):  # there is no run yet
            seen = self._watch.scan()
            if seen is not None:
                self._watched = set(seen.awake)

    def _forget(self, folder: RunFolder) -> None:
        """An ended run is looked at again when its folder changes."""
        self.pressing.forget(folder.run)
        if self._watch.leave(folder.run):
            self._watched.discard(folder.run)

    def stop(self, run: str) -> str:
        """Ask a run to stop -> its status now: a queued one is stopped at once, a living one has been asked."""
        return control.stop(RunFolder(self.data / "runs" / run), self.executor)

    def launch(self, folder: RunFolder, gpu: str | None = None) -> bool:
        """Start one run now, whatever the slots say.  False when somebody else starts it or it has begun or ended.

        OSError where the disk is full: it stays in the queue.
        """
        return bool(self._launch([folder], gpu))

    def _launch(self, folders: Sequence[RunFolder], gpu: str | None) -> list[RunFolder]:
        """Start runs in one worker -> those that nobody else starts and that have neither begun nor ended."""
        with self._pass, contextlib.ExitStack() as held:
            ours = [(folder, mine) for folder in folders if (mine := lock_to_start(folder, held)) is not None]
            if not ours:
                return []
            starting = [folder for folder, _ in ours]
            try:
                disk.check_room(self.data)
                for folder in starting:
                    folder.keep_room()
                environment = environment_of(starting[0], self.data, self.gpus, gpu)
                held.pop_all()  # from here on the locks are the executor's
                if len(ours) > 1:
                    self.executor.submit_together(starting, [lock for _, lock in ours], environment)
                else:
                    self.executor.submit(*ours[0], environment)
            except Exception as error:
                for folder, lock in ours:
                    try:
                        if folder.process() is None and not of_the_machine(error):
                            folder.write_exit("failed", message=f"The worker could not be started ({type(error).__name__}: {error}).")
                    finally:
                        if folder.process() is None:
                            lock.release()
                raise
            return starting

    def _launched(self, folders: Sequence[RunFolder], gpu: str | None) -> list[RunFolder]:
        """`_launch`, where a full disk is no error: `no_room` says it."""
        try:
            return self._launch(folders, gpu)
        except OSError as error:
            self.no_room = disk.refused(error)
            if not self.no_room:
                raise
            return []

    def queue(self) -> dict[str, str]:
        """Queued run -> what it waits for, the next one first."""
        if self._post is not None:
            return dict(self.blocked_by)
        return {folder.run: PAUSED if folder.run in self.order.paused() else ELSEWHERE for folder in self.order.waiting()}

    def _start(self, living: list[RunFolder], queued: list[RunFolder]) -> None:
        """In the order of the queue on each device; a run that waits for a GPU holds up no CPU run, and a paused one nobody."""
        waits: dict[str, str] = {}
        ready, slots = self.executor.ready, Slots(self.cores, self.gpus, living) if queued else None
        paused = self.order.paused() if queued else frozenset()
        self.no_room = ""
        order, gone = self.order.sort(queued) if queued else [], set(paused)
        for folder in order:
            assert slots is not None
            if folder.run in paused:
                waits[folder.run] = PAUSED
            elif not ready:
                waits[folder.run] = WARMING
            elif folder.run not in gone:
                with self._alone(folder):
                    self._start_one(folder, order, slots, waits, gone)
        self.blocked_by = waits

    def _start_one(self, folder: RunFolder, order: list[RunFolder], slots: Slots, waits: dict[str, str], gone: set[str]) -> None:
        """The next run in the order of the queue, and those that start with it; `gone`: runs that are paused or wait no more."""
        fits, gpu, why = self.pairs.fits(folder, slots)
        if not fits:
            waits[folder.run] = why
            return
        others = [one for one in order if one.run not in gone and one.run != folder.run]
        group = self.stacking.spread(self.stacking.group(folder, others), slots.free(folder))
        together = self.stacking.worth_it(group) if len(group) > 1 else False
        if together is None:
            waits[folder.run] = MEASURING
            slots.take(folder, gpu)  # which the measuring takes
            return
        twin, why = (None, "") if together else self.pairs.with_twin(folder, others, slots)
        if why:
            waits.update({one.run: why for one in (folder, twin) if one is not None})
            gone.update(waits)
            return
        self._start_group(group if together else [folder], gpu, slots, waits, gone)
        if twin is not None:
            self._start_group([twin], slots.fits(twin)[1], slots, waits, gone)

    def _start_group(self, group: list[RunFolder], gpu: str | None, slots: Slots, waits: dict[str, str], gone: set[str]) -> None:
        """Runs that start in one worker, in the slot of the first."""
        started = self._launched(group, gpu)
        gone.update(one.run for one in started)
        if started:
            slots.take(group[0], gpu)
            with contextlib.suppress(OSError):  # a full disk costs a turn, not the start
                self.order.serve(str((group[0].spec() or {}).get("who") or ""))
        elif self.no_room:
            waits[group[0].run] = f"{self.no_room}; it starts when there is room"
