"""The project's one Lightning callback: between the training and the outside world."""

from __future__ import annotations

import contextlib
import logging
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import lightning
from lightning.pytorch.utilities.exceptions import SIGTERMException

from engine.core.disk import refused
from engine.core.files import write_json
from engine.runs.event import Event
from engine.runs.folder import RunFolder
from engine.worker import checkpoint
from engine.worker.progress import Last, Progress

if TYPE_CHECKING:
    from engine.worker.observer import Observer

log = logging.getLogger(__name__)

STATE_SECONDS = 0.5
SAVE_SECONDS = 30.0  # between two checkpoints of a run that nobody stops; a kill costs at most this much work
SAVE_SHARE = 0.02  # of the time may go into saving: a large model is saved less often


class Stopped(Exception):
    """Somebody asked the run to end before its training began."""


class FolderGone(Exception):
    """The run's folder was deleted or moved away: nobody will ever read what the run does."""


class Steps(Protocol):
    """What goes on step by step: a training (loop.py), or a lab that plays (play.py)."""

    observer: Observer

    def evaluate(self) -> None:
        """After the last step."""
        ...

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        ...


class Control(lightning.Callback):
    """state.json, STOP, HOLD, checkpoints, and how the run ends.  FolderGone where its folder is no longer there.

    Lightning calls it around a training; whoever goes on without Lightning calls `between_steps`, `keep` and `conclude`.
    """

    def __init__(self, folder: RunFolder, progress: Progress, stop_requested: threading.Event, attempt: int, last: Last) -> None:
        self.folder, self.progress, self.stop_requested, self.attempt, self.last = folder, progress, stop_requested, attempt, last
        self.ending = "finished"
        self._saved: int | None = None  # completed steps in the last checkpoint of this attempt
        self._identity = folder.identity()
        self._written_at = 0.0
        self._save_at = time.monotonic() + SAVE_SECONDS

    def tell(self, phase: str, training: Steps | None = None) -> None:
        """Write state.json; what a full disk keeps out of it stands in exit.json."""
        self._written_at = time.monotonic()
        seconds = self.progress.seconds
        observer = None if training is None else training.observer
        self.last.step, self.last.dropped = self.progress.done, observer.dropped if observer else 0
        told = {
            "step": self.progress.done,
            "steps": self.progress.steps,
            "phase": phase,
            "step_seconds": statistics.median(seconds) if seconds else None,
            "dropped": self.last.dropped,
            "attempt": self.attempt,
            "updated": time.time(),
            "cpu_seconds": time.process_time(),
            "probe_share": observer.seconds / self.progress.busy if observer and self.progress.busy else 0.0,
        }
        with contextlib.suppress(OSError):  # a full disk does not end the training
            write_json(self.folder.path / "state.json", told)

    def report(self, phase: str) -> None:
        """Called again and again by work before the training: tells the phase, stays while the run is held, raises Stopped."""
        if time.monotonic() - self._written_at >= STATE_SECONDS:
            self.tell(phase)
        self.leave_if_gone()
        self.stay_while_held()
        if self.asked_to_stop():
            raise Stopped

    def stay_while_held(self) -> None:
        while (self.folder.path / "HOLD").exists() and not self.asked_to_stop():
            self.stop_requested.wait(0.1)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.tell("training")

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any) -> None:
        """After every stride."""
        self.between_steps(pl_module)
        if self.progress.over:
            trainer.should_stop = True

    def between_steps(self, training: Steps) -> None:
        """Tell where we are, and look whether anybody wants something."""
        self.leave_if_gone()
        self.stay_while_held()
        if time.monotonic() - self._written_at >= STATE_SECONDS:
            self.tell("training", training)
        if time.monotonic() >= self._save_at and self.progress.done < self.progress.steps:
            self.try_to_save(training)
        if self.asked_to_stop():
            self.progress.stopping = True

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.conclude(pl_module)

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:
        """SIGTERM comes this way; of a failure, keep what there is if no step is half done."""
        if isinstance(exception, SIGTERMException):
            self.progress.stopping = True
            self.conclude(pl_module)
        else:
            self.keep(pl_module, exception)

    def keep(self, training: Steps, exception: BaseException) -> None:
        """After a failure: save what there is, unless a step is half done or nobody would ever read it."""
        if not isinstance(exception, FolderGone) and self.progress.whole and self.progress.done > self.progress.start:
            with contextlib.suppress(RuntimeError):  # a broken GPU gives no readings any more
                training.observer.finish()
            self.try_to_save(training)

    def conclude(self, training: Steps) -> None:
        """The training is over, for whatever reason: evaluate or save."""
        training.observer.finish()
        early = self.progress.done < self.progress.steps
        if not (early and self.progress.stopping):
            self.tell("evaluating", training)
            training.evaluate()
        if early:
            self.save_or_say(training)
        self.ending = "diverged" if training.observer.diverged else "stopped" if early else "finished"
        self.tell("saving", training)

    def save_or_say(self, training: Steps) -> None:
        """The checkpoint of a run that ends early: where the disk refuses it, the run ends as it would, and its end says so."""
        try:
            self.save(training)
        except (OSError, RuntimeError) as error:
            reason = refused(error)
            if not reason:
                raise
            at = self.progress.start if self._saved is None else self._saved
            self.last.message = f"Its last checkpoint could not be written, for {reason}: resumed, it begins again at step {at}."

    def try_to_save(self, training: Steps) -> None:
        """A checkpoint that nobody waits for: where it is refused, the run goes on as it would without."""
        try:
            self.save(training)
        except (OSError, RuntimeError, MemoryError) as error:  # torch tells a full disk and a broken GPU as RuntimeError
            self._save_at = time.monotonic() + SAVE_SECONDS
            log.warning("No checkpoint after %d steps: %s", self.progress.done, error)

    def save(self, training: Steps) -> None:
        """Write ckpt/last.ckpt and say so in an event."""
        self.tell("saving", training)
        started = time.monotonic()
        checkpoint.save(self.folder.path / "ckpt" / "last.ckpt", training.state())
        self._saved = self.progress.done
        at = max(0, self.progress.done - 1)
        training.observer.add(at, events=[Event(at, "checkpoint", message=f"Saved after {self.progress.done} steps.")])
        self._save_at = time.monotonic() + max(SAVE_SECONDS, (time.monotonic() - started) / SAVE_SHARE)

    def leave_if_gone(self) -> None:
        if self.folder.identity() != self._identity:
            raise FolderGone(f"{self.folder.path} is gone, so the run ends.")

    def asked_to_stop(self) -> bool:
        return self.stop_requested.is_set() or (self.folder.path / "STOP").exists()
