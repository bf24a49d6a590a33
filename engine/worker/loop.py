"""The training loop: the project's one LightningModule.

Lightning carries devices, number formats and signals; the steps themselves are here, in `one_step`,
so a lab's reader needs no Lightning manual.  Lightning's own bookkeeping costs as much as a whole
step of a small model, so it is handed a stride of batches at a time, about 50 ms of work; signals,
STOP and HOLD are looked at in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from engine.labs.common.norms import clip, gradient_norms, total
from engine.labs.common.validation import validation_loss
from engine.labs.lab import Lab
from engine.labs.probe import Reading, Step
from engine.worker import checkpoint
from engine.worker.observer import Observer
from engine.worker.progress import Progress

Batch = dict[str, Tensor]

STRIDE_SECONDS = 0.05
LONGEST_STRIDE = 64


class Batches(IterableDataset):
    """Lists of consecutive training batches, as many as the present stride; batch n is a pure function of n."""

    def __init__(self, lab: Lab, progress: Progress) -> None:
        self.lab, self.progress = lab, progress

    def __iter__(self) -> Iterator[list[Batch]]:
        n = self.progress.start
        while n < self.progress.steps and not self.progress.over:
            until = min(n + self.progress.stride, self.progress.steps)
            yield [self.lab.batch(i) for i in range(n, until)]
            n = until


class Training(lightning.LightningModule):
    """One optimizer step after another, as the lab declares them."""

    automatic_optimization = False

    def __init__(
        self, lab: Lab, model: nn.Module, progress: Progress, observe: Callable[[torch.device], Observer], resume: dict[str, Any] | None
    ) -> None:
        super().__init__()
        self.lab, self.model, self.progress, self.observe, self.resume = lab, model, progress, observe, resume

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.lab.optimizer.build(self.model.named_parameters(), self.lab.lr)

    def transfer_batch_to_device(self, batch: list[Batch], device: torch.device, dataloader_idx: int) -> list[Batch]:
        return [{name: tensor.to(device, non_blocking=True) for name, tensor in one.items()} for one in batch]

    def on_train_start(self) -> None:
        """The model is on its device: attach the observer, and take up a checkpoint where there is one."""
        self.observer = self.observe(self.device)
        self.carrier = self.optimizers()  # Lightning's wrapper, which knows the number format
        self.optimizer: torch.optim.Optimizer = self.carrier.optimizer
        if self.resume is not None:
            self.load(self.resume)

    def training_step(self, batch: list[Batch], batch_idx: int) -> None:
        started = time.perf_counter()
        first = self.progress.done
        for one in batch:
            if self.progress.over:
                break
            self.one_step(one)
        if self.progress.done == first:
            return
        busy = time.perf_counter() - started
        self.progress.busy += busy
        each = busy / (self.progress.done - first)
        self.progress.seconds.append(each)
        self.progress.stride = min(LONGEST_STRIDE, max(1, int(STRIDE_SECONDS / each)))

    def one_step(self, batch: Batch) -> None:
        """Forward, backward, clip, move the weights, measure."""
        n, lab = self.progress.done, self.lab
        lr = lab.learning_rate(n)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        step = self.step = Step(n, self.progress.steps, lab, self.model, batch, {}, self.optimizer, lr)
        step.number_format = self.trainer.precision_plugin.forward_context
        self.observer.begin(step)
        step.losses = lab.loss(self.model, batch, n)  # Lightning has set the number format around training_step
        with torch.autocast(self.device.type, enabled=False):
            self.optimizer.zero_grad(set_to_none=True)
            self.manual_backward(sum(step.losses.values()))
            self.progress.whole = False
            self.carrier.step()  # calls on_before_optimizer_step once the gradients are whole and unscaled
            lab.after_step(self.model, n)
            self.observer.after(step)
        self.progress.done, self.progress.whole = n + 1, True
        fatal = self.observer.fatal
        if fatal is not None and lab.on_divergence == "stop" and self.progress.end_after is None:
            self.progress.end_after = fatal.step + 1 + self.observer.lag

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.lab.clip > 0:
            gradient_norms(self.step)  # clipping needs them, so their time is the training's and not the probes'
        self.observer.gradients(self.step)
        if self.lab.clip > 0:
            with torch.no_grad():
                clip(self.model, total(gradient_norms(self.step)), self.lab.clip)

    def evaluate(self) -> None:
        """The final validation, stored at the last step unless its probe has just done so."""
        last = self.progress.done - 1
        probe = self.observer.probes.get("loss_validation")
        if last < 0 or (probe is not None and probe.due(last, self.progress.steps)):
            return
        value = validation_loss(self.lab, self.model, last, self.trainer.precision_plugin.forward_context)
        if value is not None:
            self.observer.add(last, [Reading("loss/validation", value)])

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "step": self.progress.done,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.trainer.precision_plugin.state_dict(),
            "generators": checkpoint.generators(),
            "observer": self.observer.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.trainer.precision_plugin.load_state_dict(state["scaler"])
        checkpoint.set_generators(state["generators"])
        self.observer.load(state["observer"], state["step"])
