"""The beginning of one attempt, whatever it then does: its checkpoint, probes, detectors and spool."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.core.catalog import Catalog
from engine.labs.detector import Detector
from engine.labs.lab import Lab
from engine.labs.probe import Probe, attached
from engine.runs.folder import RunFolder
from engine.runs.spool import Spool, spools
from engine.worker import checkpoint
from engine.worker.callback import Control, Stopped
from engine.worker.progress import Last, Progress
from engine.worker.provenance import add

log = logging.getLogger(__name__)

Kinds = Mapping[str, type[Probe]]


@dataclass
class Begun:
    """`resume`: the checkpoint to go on from, None for a first attempt and where an earlier one has left none."""

    folder: RunFolder
    attempt: int
    progress: Progress
    control: Control
    resume: dict[str, Any] | None
    probes: Kinds
    detectors: Mapping[str, type[Detector]]

    def spool(self) -> Spool:
        """Opened once all else has been built, for its file counts the attempt."""
        path = self.folder.path / f"spool.{self.attempt}.bin"
        return Spool(path, self.folder.run, attempt=self.attempt, start=self.progress.start)


def begin(
    lab: Lab,
    folder: RunFolder,
    stop_requested: threading.Event | None,
    last: Last | None,
    choose: Callable[[Kinds], Kinds] = lambda probes: probes,
) -> Begun | None:
    """Seed all global generators -> what the attempt begins with, or None when somebody asked it to stop before.

    `choose`: of all probes of the catalog those that may be attached.
    """
    attempt = len(spools(folder.path)) + 1
    progress = Progress(lab.steps)
    control = Control(folder, progress, stop_requested or threading.Event(), attempt, last or Last())
    if control.asked_to_stop():
        return None
    control.tell("loading data")
    resume = checkpoint.load(folder.path / "ckpt" / "last.ckpt") if attempt > 1 else None
    if resume is not None:
        progress.start = progress.done = resume["step"]
    found, broken_probes = Catalog("probes", Probe).load()
    probes = choose(found)
    try:
        for kind in attached(dict(probes), lab.probes, lab.provides).values():
            add(folder.path, data=kind.make_ready(lab, control.report))
    except Stopped:
        return None
    detectors, broken_detectors = Catalog("detectors", Detector).load()
    for broken in [*broken_probes, *broken_detectors]:
        log.warning("%s is left out: %s", broken.file, broken.message)
    checkpoint.seed_everything(lab.seed)
    return Begun(folder, attempt, progress, control, resume, probes, detectors)


def close(spool: Spool) -> None:
    """At the end of the attempt; what a full disk refuses now has been told before."""
    with contextlib.suppress(OSError):
        spool.sync()
    spool.close()
