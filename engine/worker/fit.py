"""One training from start to end: loop, callback, probes, detectors and spool put together and handed to Lightning."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator

import lightning
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from engine.labs.lab import Lab
from engine.runs.folder import RunFolder
from engine.worker.begin import begin, close
from engine.worker.callback import Control
from engine.worker.loop import Batches, Training
from engine.worker.observer import Observer
from engine.worker.progress import Last

FORMATS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def train(lab: Lab, folder: RunFolder, stop_requested: threading.Event | None = None, last: Last | None = None) -> str:
    """Train the lab in the run's folder -> "finished", "stopped" or "diverged".  Exceptions of the lab pass through.

    `stop_requested`: set it to stop the training from outside.  `last`: kept up to date for the end of the run.
    A later attempt takes up the checkpoint of the earlier one.
    """
    begun = begin(lab, folder, stop_requested, last)
    if begun is None:
        return "stopped"
    progress, control = begun.progress, begun.control
    model = lab.model()
    spool = begun.spool()
    probes, detectors = begun.probes, begun.detectors
    training = Training(lab, model, progress, lambda device: Observer(lab, model, spool, device, probes, detectors), begun.resume)
    loader = DataLoader(Batches(lab, progress), batch_size=None, pin_memory=lab.device.startswith("cuda"))
    try:
        with quiet(), contextlib.suppress(SIGTERMException):  # on_exception has seen to it
            _trainer(lab, control).fit(training, loader)
    finally:
        close(spool)
    return control.ending


def _trainer(lab: Lab, control: Control) -> lightning.Trainer:
    """Lightning with everything off that costs or talks."""
    on_gpu = lab.device.startswith("cuda")
    return lightning.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=[int(lab.device.partition(":")[2] or 0)] if on_gpu else 1,
        precision=FORMATS[lab.precision],
        plugins=[LightningEnvironment()],  # one process; a batch system around it is our executor's business
        max_epochs=1,
        callbacks=[control],
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lightning's advice is for people who write Lightning code."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        yield
