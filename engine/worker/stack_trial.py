"""One step of a training alone, and one of several together, without probes and folders: what stacking_cost.py times."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from engine.labs.common.norms import clip, norms, total
from engine.labs.play import PlayContext
from engine.worker.stack_rows import Leaves, Mover

Step = Callable[[], object]


def single(lab: Any) -> Step:
    model, numbers = lab.model(), itertools.count()
    optimizer = lab.optimizer.build(model.named_parameters(), lab.lr)

    def step() -> None:
        n = next(numbers)
        losses = lab.loss(model, lab.batch(n), n)
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        _clip(lab, model)
        optimizer.step()

    return step


def together(labs: Sequence[Any]) -> Step:
    models, numbers = [lab.model() for lab in labs], itertools.count()
    optimizers = [lab.optimizer.build(model.named_parameters(), lab.lr) for lab, model in zip(labs, models, strict=True)]
    leaves = Leaves(models)
    mover = Mover(labs, leaves, optimizers)

    def step() -> None:
        n = next(numbers)
        given = [lab.batch(n) for lab in labs]
        batches = {name: torch.stack([batch[name] for batch in given]) for name in given[0]}
        losses = labs[0].stacked_loss(models, leaves.all(), batches, n).losses
        leaves.backward(torch.stack([loss.sum() for loss in losses.values()]).sum())
        for lab, model in zip(labs, models, strict=True):
            _clip(lab, model)
        mover.step([lab.learning_rate(n) for lab in labs])

    return step


def playing(labs: Sequence[Any]) -> Step:
    contexts = [PlayContext(Path(), lab.seed, lab.steps, device=lab.device) for lab in labs]
    steps = iter(labs[0].play(contexts[0]) if len(labs) == 1 else labs[0].stacked_play(labs, contexts))
    return lambda: next(steps, None)


def _clip(lab: Any, model: Any) -> None:
    if lab.clip > 0:
        with torch.no_grad():
            clip(model, total(norms([p.grad for p in model.parameters()])), lab.clip)
