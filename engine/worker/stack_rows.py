"""Tensors of N models as rows of common ones: what a stack computes with, while every model stays an ordinary one.

Member n's parameters, `.grad`, buffers and optimizer state are views of row n, so whatever reads or changes one model works unchanged.

Shapes: N members; a leaf is (N, …).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from engine.labs.lab import Lab

ELEMENTWISE = (AdamW, SGD)  # each number moves by its own gradient and history alone, so rows move together with the same bits


class Leaves:
    """`parameters` and `buffers`: name in the state dict -> (N, …).  Made from the models, whose tensors become views."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.models = list(models)
        named = [dict(model.named_parameters()) for model in models]
        self.parameters = {name: _rows([of[name] for of in named]) for name in named[0]}
        self.gradients = {name: torch.zeros_like(leaf) for name, leaf in self.parameters.items()}
        self._present = dict.fromkeys(self.parameters, False)
        for name, gradient in self.gradients.items():
            given = [of[name].grad for of in named]
            if given[0] is not None:
                torch.stack([g for g in given if g is not None], out=gradient)
            self._show(name, given[0] is not None)
        buffers = [dict(model.named_buffers()) for model in models]
        self.buffers = {name: _rows([of[name] for of in buffers]) for name in buffers[0]}
        for leaf in self.parameters.values():
            leaf.requires_grad_()

    def all(self) -> dict[str, Tensor]:
        return {**self.parameters, **self.buffers}

    def backward(self, total: Tensor) -> None:
        """The gradients of a total, whose members' parts do not meet; a parameter that has no part in it has none."""
        found = torch.autograd.grad(total, list(self.parameters.values()), allow_unused=True)
        for (name, gradient), new in zip(self.gradients.items(), found, strict=True):
            if new is not None:
                gradient.copy_(new)
            self._show(name, new is not None)

    def gradient(self, name: str) -> Tensor | None:
        return self.gradients[name] if self._present[name] else None

    def _show(self, name: str, present: bool) -> None:
        """Let the models see their rows of a gradient, or that there is none."""
        if present == self._present[name] and present:
            return
        self._present[name] = present
        for model, row in zip(self.models, self.gradients[name].unbind(), strict=True):
            model.get_parameter(name).grad = row if present else None


def _rows(tensors: Sequence[Tensor]) -> Tensor:
    """One tensor with a row for each, which become views of it."""
    leaf = torch.stack([tensor.detach() for tensor in tensors])
    for tensor, row in zip(tensors, leaf.unbind(), strict=True):
        tensor.data = row
    return leaf


class Mover:
    """The optimizers of all members.  Neighbours that have all numbers of theirs in common move together, where that changes no bit."""

    def __init__(self, labs: Sequence[Lab], leaves: Leaves, optimizers: Sequence[Optimizer]) -> None:
        self.labs, self.leaves, self.optimizers = labs, leaves, optimizers
        self._together: list[tuple[int, int, Optimizer, dict[str, nn.Parameter]]] = []
        for start, stop in _alike(labs):
            if type(optimizers[start]) in ELEMENTWISE and stop - start > 1:
                rows = {name: nn.Parameter(leaf.detach()[start:stop]) for name, leaf in leaves.parameters.items()}
                common = labs[start].optimizer.build(list(rows.items()), labs[start].lr)
                self._take_up(start, stop, common, rows)
                self._together.append((start, stop, common, rows))
        self._alone = sorted(set(range(len(labs))) - {n for start, stop, *_ in self._together for n in range(start, stop)})

    def step(self, rates: Sequence[float]) -> None:
        """Move all weights, with the learning rate of each member."""
        for optimizer, lr in zip(self.optimizers, rates, strict=True):
            _set(optimizer, lr)
        for n in self._alone:
            self.optimizers[n].step()
        for start, stop, common, rows in self._together:
            _set(common, rates[start])
            for name, parameter in rows.items():
                gradient = self.leaves.gradient(name)
                parameter.grad = None if gradient is None else gradient[start:stop]
            common.step()
            self._share(start, stop, common, rows)

    def _take_up(self, start: int, stop: int, common: Optimizer, rows: Mapping[str, nn.Parameter]) -> None:
        """What the members' optimizers remember, as rows."""
        for name, parameter in rows.items():
            states = [self._state(n, name) for n in range(start, stop)]
            if states[0]:
                common.state[parameter] = {key: _stacked(key, [state[key] for state in states]) for key in states[0]}

    def _share(self, start: int, stop: int, common: Optimizer, rows: Mapping[str, nn.Parameter]) -> None:
        """Members see their rows of what the common optimizer remembers."""
        for name, parameter in rows.items():
            for key, value in common.state.get(parameter, {}).items():
                known = self._state(start, name).get(key)
                if known is value or (_has_rows(key, value) and known is not None and known.data_ptr() == value.data_ptr()):
                    continue
                parts = value.unbind() if _has_rows(key, value) else itertools.repeat(value, stop - start)
                for n, part in zip(range(start, stop), parts, strict=True):
                    self._state(n, name)[key] = part

    def _state(self, n: int, name: str) -> dict[str, Any]:
        return self.optimizers[n].state[self.leaves.models[n].get_parameter(name)]


def _alike(labs: Sequence[Lab]) -> Iterator[tuple[int, int]]:
    """Ranges of neighbours whose optimizers are told the same at every step."""
    start = 0
    for _, group in itertools.groupby(labs, key=key_of_optimizer):
        stop = start + len(list(group))
        yield start, stop
        start = stop


def key_of_optimizer(lab: Lab) -> tuple[str, str, float, int]:
    return lab.optimizer.name, lab.optimizer.model_dump_json(), lab.lr, lab.warmup


def _set(optimizer: Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def _stacked(key: str, values: Sequence[Any]) -> Any:
    """A count is common to all members; a memory of each number has a row for each."""
    if _has_rows(key, values[0]):
        return torch.stack(list(values))
    return values[0].clone() if isinstance(values[0], Tensor) else values[0]


def _has_rows(key: str, value: Any) -> bool:
    return isinstance(value, Tensor) and key != "step"
