"""The losses of N runs at once from a lab's own `loss`, by torch.vmap over parameters, buffers and batches.

Shapes: N runs.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from engine.labs.lab import Lab
from engine.labs.stacking import Stacked


class _Loss(nn.Module):
    """A lab's loss as the forward pass of a module, so that functional_call can put other tensors into its model."""

    def __init__(self, lab: Lab, model: nn.Module) -> None:
        super().__init__()
        self.lab, self.model = lab, model

    def forward(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        return self.lab.loss(self.model, batch, step)


def stacked_loss(
    lab: Lab, models: Sequence[nn.Module], leaves: Mapping[str, Tensor], batches: Mapping[str, Tensor], step: int, kept: Sequence[str] = ()
) -> Stacked:
    """`lab.loss` of every run in one pass.  `kept`: attributes of the model in which it leaves a dataclass of tensors, or None.

    RuntimeError where it leaves anything else: that would be a tensor of all runs on the model of one.
    """
    model, kinds = models[0], {}

    def one(leaf: dict[str, Tensor], batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
        losses = torch.func.functional_call(_Loss(lab, model), leaf, (batch, step))
        left = {name: getattr(model, name) for name in kept}
        kinds.update({name: type(record) for name, record in left.items()})
        parts = {name: {f.name: getattr(record, f.name) for f in fields(record)} for name, record in left.items() if record is not None}
        return losses, {name: {key: t for key, t in found.items() if t is not None} for name, found in parts.items()}

    before = {name: getattr(model, name) for name in kept}
    try:
        with _without_hooks(model):
            losses, parts = torch.vmap(one)({f"model.{name}": leaf for name, leaf in leaves.items()}, dict(batches))
    finally:
        for name, record in before.items():
            setattr(model, name, record)
    if left := _left_behind(model):
        raise RuntimeError(f"The loss of {type(lab).__name__} leaves {left} on the model, which no stack may do; give it back as a record.")
    rows = {name: {key: tensor.unbind() for key, tensor in found.items()} for name, found in parts.items()}
    return Stacked(losses, [{name: _record(kinds[name], rows.get(name), n) for name in kept} for n in range(len(models))])


def _record(kind: type, rows: Mapping[str, Sequence[Tensor]] | None, n: int) -> Any:
    return None if rows is None else kind(**{f.name: rows[f.name][n] if f.name in rows else None for f in fields(kind)})


@contextlib.contextmanager
def _without_hooks(model: nn.Module) -> Iterator[None]:
    """Probes' hooks see the pass of one run and never that of all."""
    kept = [(module, name, vars(module)[name]) for module in model.modules() for name in ("_forward_hooks", "_forward_pre_hooks")]
    for module, name, _ in kept:
        setattr(module, name, OrderedDict())
    try:
        yield
    finally:
        for module, name, hooks in kept:
            setattr(module, name, hooks)


def _left_behind(model: nn.Module) -> str:
    """The name of an attribute that holds a tensor of a pass over all runs, or nothing."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor) and torch._C._functorch.is_batchedtensor(value):
                return f"{path}.{name}".lstrip(".")
    return ""
