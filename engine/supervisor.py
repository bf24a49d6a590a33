"""The supervisor: starts queued runs as slots become free, tells how workers ended, and presses those that were asked to stop.

The queue is the folder itself: a run with a declaration and no worker yet, oldest first.  Nothing is
kept in memory that the folder does not say, so a new supervisor takes over where a dead one left off.
One process at a time is on duty; the others look at every pass whether it has left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from engine import claim, device
from engine.executors import Executor
from engine.executors.local import Local
from engine.folder import ENDED, RunFolder, all_runs
from engine.knobs import unnest

TERMINATE_AFTER, KILL_AFTER = 10.0, 20.0  # seconds since STOP was written
LOOK_AGAIN = 50  # passes between two looks at runs known to have ended (a resumed run starts again)


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
        self.terminate_after, self.kill_after = terminate_after, kill_after
        self.problem = ""  # why the last pass failed, in one sentence
        self._pressed: dict[str, float] = {}
        self._ended: set[str] = set()
        self._post: claim.Claim | None = None
        self._passes = 0
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
                self.problem = f"The supervisor's last pass failed: {type(error).__name__}: {error}"
            self._awake.wait(self.every)

    # -- one pass ----------------------------------------------------------------------------------

    def take_post(self) -> bool:
        """Go on duty if nobody else is -> whether this supervisor is on duty."""
        with self._pass:
            if self._post is None:
                self.data.mkdir(parents=True, exist_ok=True)
                self._post = claim.take(self.data / "supervisor.lock")
            return self._post is not None

    def step(self) -> bool:
        """One pass over the folder: ends, stops, starts -> whether this supervisor is on duty."""
        with self._pass:
            if not self.take_post():
                return False
            self._passes += 1
            if self._passes % LOOK_AGAIN == 0:
                self._ended.clear()
            living: list[RunFolder] = []
            queued: list[RunFolder] = []
            for folder in all_runs(self.data):
                if folder.run in self._ended:
                    continue
                status = self.executor.status(folder)
                if status in ENDED and self._lingers(folder):
                    living.append(folder)
                elif status in ENDED:
                    self._ended.add(folder.run)
                    self._pressed.pop(folder.run, None)
                elif status == "queued":
                    queued.append(folder)
                else:
                    living.append(folder)
                    self.press(folder)
            self._start(living, queued)
            return True

    def stop(self, run: str) -> str:
        """Ask a run to stop -> its status now: a queued one is stopped at once, a living one has been asked."""
        return ask_to_stop(RunFolder(self.data / "runs" / run), self.executor)

    def launch(self, folder: RunFolder, gpu: str | None = None) -> bool:
        """Start one run now, whatever the slots say.  False when somebody else starts it or it has begun or ended."""
        with self._pass:
            mine = claim.take(folder.path / "claim")
            if mine is None:
                return False
            if folder.status() != "queued":
                mine.release()
                return False
            if (folder.path / "STOP").exists():
                folder.write_exit("stopped", says="Stopped before it began.")
                mine.release()
                return False
            knobs = unnest((folder.spec() or {}).get("knobs", {}))
            threads = str(knobs.get("threads", 1))
            environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "FAULTLINE_DATA": str(self.data.resolve())}
            wanted = str(knobs.get("device", "cpu"))  # "cuda" gets one GPU to itself, "cuda:N" sees all and takes its own
            if wanted == "cpu":
                environment["CUDA_VISIBLE_DEVICES"] = ""
            elif wanted == "cuda" and (gpu or self.gpus):
                environment["CUDA_VISIBLE_DEVICES"] = gpu or self.gpus[0]
            self.executor.submit(folder, mine, environment)
            return True

    def _lingers(self, folder: RunFolder) -> bool:
        """A worker that has told its end may take a moment to leave, and keeps its slot and GPU until then, but not for ever."""
        if not claim.taken(folder.path / "claim"):
            return False
        if time.time() - float((folder.exit() or {}).get("ended", 0.0)) < self.kill_after:
            return True
        self.executor.stop(folder, "kill")
        return False

    def press(self, folder: RunFolder) -> None:
        """The longer ago STOP was written, the harder the worker is asked."""
        try:
            asked = (folder.path / "STOP").stat().st_mtime
        except FileNotFoundError:
            return
        waited, pressed = time.time() - asked, self._pressed.get(folder.run, 0.0)
        if waited >= self.kill_after:
            self.executor.stop(folder, "kill")
        elif waited >= self.terminate_after and pressed < asked:
            self._pressed[folder.run] = time.time()
            self.executor.stop(folder, "terminate")

    def _start(self, living: list[RunFolder], queued: list[RunFolder]) -> None:
        """First in, first out for each device; a run that waits for a GPU holds up no CPU run."""
        if not queued or not self.executor.ready:
            return
        busy_cores, busy_gpus = 0, []
        for folder in living:
            kind, threads = _needs(folder)
            if kind == "cpu":
                busy_cores += threads
            else:
                busy_gpus.append(folder.gpu() or kind)
        full: set[str] = set()
        for folder in sorted(queued, key=lambda f: ((f.spec() or {}).get("created", 0.0), f.run)):
            kind, threads = _needs(folder)
            if kind in full:
                continue
            gpu = None
            if kind == "cpu":
                fits = busy_cores == 0 or busy_cores + threads <= self.cores
            else:
                gpu = self._free_gpu(kind, busy_gpus)
                fits = gpu is not None
            if not fits:
                full.add(kind)
            elif self.launch(folder, gpu):
                busy_cores += threads if kind == "cpu" else 0
                busy_gpus += [gpu] if gpu is not None else []

    def _free_gpu(self, kind: str, busy: list[str]) -> str | None:
        """A free GPU for "cuda" (any) or "cuda:N" (that one).  `busy` names a GPU, or the knob of a run that sees them all."""
        numbered = {f"cuda:{n}": name for n, name in enumerate(self.gpus)}
        free = [name for name in self.gpus if name not in {numbered.get(b, b) for b in busy}]
        wanted = free if kind == "cuda" else [name for name in free if name == numbered.get(kind)]
        return wanted[0] if wanted else None


def _needs(folder: RunFolder) -> tuple[str, int]:
    """-> (device, CPU threads) of a declaration."""
    knobs = (folder.spec() or {}).get("knobs", {})
    return str(knobs.get("device", "cpu")), int(knobs.get("threads", 1))


def ask_to_stop(folder: RunFolder, executor: Executor) -> str:
    """Ask a run to stop -> its status now.  A queued run needs no checkpoint: it is stopped at once."""
    if folder.status() in ENDED:
        return folder.status()
    executor.stop(folder, "ask")
    mine = claim.take(folder.path / "claim")
    if mine is not None:
        if folder.status() == "queued":
            folder.write_exit("stopped", says="Stopped before it began.")
        mine.release()
    return folder.status()
