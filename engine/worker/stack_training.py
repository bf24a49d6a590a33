"""The training loop of a stack: each step computed once for all members, and measured, clipped and stored member by member.

It does what engine/worker/loop.py does in a step, in the same order.

Shapes: N members.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.labs.common.norms import clip, gradient_norms, total
from engine.labs.common.validation import validation_loss
from engine.labs.probe import Probe, Reading, Step, attached
from engine.labs.stacking import Stacks
from engine.worker import checkpoint
from engine.worker.begin import Begun
from engine.worker.observer import Observer
from engine.worker.stack_members import Member, Seat, each, own
from engine.worker.stack_rows import Leaves, Mover, key_of_optimizer


class Trainee(Member):
    """A member with a model and an optimizer of its own, as the run would have alone."""

    optimizer: Optimizer
    step: Step

    def __init__(self, seat: Seat, begun: Begun) -> None:
        super().__init__(seat, begun)
        self.model: nn.Module = self.lab.model()
        self.observer = Observer(self.lab, self.model, self.spool, torch.device("cpu"), begun.probes, begun.detectors)
        self.hooked: list[str] = []  # probes that watch modules
        self.optimizer = self.lab.optimizer.build(self.model.named_parameters(), self.lab.lr)
        self.generators = checkpoint.generators()  # nobody draws from them in a stack

    def begin(self, n: int, batch: dict[str, Tensor]) -> None:
        """Before the pass of all."""
        lr = self.lab.learning_rate(n)
        self.step = Step(n, self.progress.steps, self.lab, self.model, batch, {}, self.optimizer, lr)
        self.observer.begin(self.step)

    def watched(self) -> bool:
        """Whether a probe watches the modules now: by its `every`, and one that is due more often where a gradient is no number."""
        n, steps = self.step.number, self.step.steps
        due = [probe for name in self.hooked if (probe := self.observer.probes[name]).due(n, steps)]
        return any(Probe.due(probe, n, steps) for probe in due) or (bool(due) and not torch.isfinite(gradient_norms(self.step)).all())

    def take(self, losses: dict[str, Tensor], record: Mapping[str, Any]) -> None:
        """What the pass of all gives for this member; where a probe watches the modules, one plain forward pass of its own for it."""
        self.step.losses = losses
        if self.watched():
            with torch.no_grad():
                self.lab.loss(self.model, self.step.batch, self.step.number)
        for name, value in record.items():
            setattr(self.model, name, value)

    def gradients(self) -> None:
        if self.lab.clip > 0:
            gradient_norms(self.step)
        self.observer.gradients(self.step)
        if self.lab.clip > 0:
            with torch.no_grad():
                clip(self.model, total(gradient_norms(self.step)), self.lab.clip)
        self.progress.whole = False

    def after(self, n: int) -> None:
        self.lab.after_step(self.model, n)
        self.observer.after(self.step)
        self.progress.done, self.progress.whole = n + 1, True
        self.heed_divergence()

    def evaluate(self) -> None:
        last = self.progress.done - 1
        probe = self.observer.probes.get("loss_validation")
        if last < 0 or (probe is not None and probe.due(last, self.progress.steps)):
            return
        value = validation_loss(self.lab, self.model, last, self.step.number_format)
        if value is not None:
            self.observer.add(last, [Reading("loss/validation", value)])

    def state(self) -> dict[str, Any]:
        """What engine.worker.loop.Training.load reads; its own numbers, and not the storage that it shares with the others."""
        return {
            "step": self.progress.done,
            "model": own(self.model.state_dict()),
            "optimizer": own(self.optimizer.state_dict()),
            "scaler": {},
            "generators": self.generators,
            "observer": self.observer.state(),
        }


class Training:
    """All members that still train, at the same step."""

    def __init__(self, members: Sequence[Trainee]) -> None:
        self.members: list[Trainee] = []
        names = hooked(members[0].begun, members[0].lab) if members else []
        for member in members:
            member.hooked = names
        self.stack(sorted(members, key=lambda m: key_of_optimizer(m.lab)))

    def stack(self, members: Sequence[Trainee]) -> None:
        """Make rows of those that are left."""
        self.members = list(members)
        if self.members:
            self.leaves = Leaves([m.model for m in self.members])
            self.mover = Mover([m.lab for m in self.members], self.leaves, [m.optimizer for m in self.members])

    def one_step(self) -> None:
        """Forward, backward, clip, move the weights, measure.  What goes wrong in the pass of all passes through."""
        started = time.perf_counter()
        n = self.members[0].progress.done
        each(self.members, lambda m: m.begin(n, m.lab.batch(n)))
        self.drop_ended()
        if not self.members:
            return
        batches = {name: torch.stack([m.step.batch[name] for m in self.members]) for name in self.members[0].step.batch}
        stacking = cast(Stacks, self.members[0].lab)
        losses, records = stacking.stacked_loss([m.model for m in self.members], self.leaves.all(), batches, n)
        self.leaves.backward(torch.stack([loss.sum() for loss in losses.values()]).sum())
        rows = {name: loss.detach().unbind() for name, loss in losses.items()}
        mine = {id(m): ({name: row[i] for name, row in rows.items()}, records[i]) for i, m in enumerate(self.members)}
        each(self.members, lambda m: m.take(*mine[id(m)]))
        each(self.members, Trainee.gradients)
        self.mover.step([m.step.lr for m in self.members])
        each(self.members, lambda m: m.after(n))
        self._count(time.perf_counter() - started)
        self.drop_ended()

    def drop_ended(self) -> None:
        """Members that have ended leave with their rows."""
        left = [m for m in self.members if not m.seat.status]
        if len(left) < len(self.members):
            self.stack(left)

    def _count(self, seconds: float) -> None:
        """The time of a step is that of all; of the work each has an even share."""
        for member in self.members:
            member.progress.busy += seconds / len(self.members)
            member.progress.seconds.append(seconds)


def hooked(begun: Begun, lab: Any) -> list[str]:
    """The probes that watch modules in the forward pass, found on a model that nobody trains."""
    names, model = [], lab.model()
    for name, kind in attached(dict(begun.probes), lab.probes, lab.provides).items():
        before = _hooks(model)
        kind(lab, model)
        if _hooks(model) > before:
            names.append(name)
    return names


def _hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
