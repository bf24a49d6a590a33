"""Readings on their way from the device to the spool: one copy per step, and on a GPU no waiting.

What arrives is written to the spool (engine/runs/spool.py).
On the CPU they become numbers at once.  On a GPU a step's tensors are joined into one on the
device, copied to pinned memory behind the step's own work, and picked up when the copy has
arrived, with the step they belong to, at most `LAG` steps late.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import Any

import torch
from torch import Tensor

from engine.labs.probe import Reading
from engine.runs.series import Series

LAG = 16


@dataclass
class Arrived:
    """All readings of one step as plain numbers."""

    step: int
    t: float
    scalars: dict[Series, float] = field(default_factory=dict)
    vectors: dict[Series, list[float]] = field(default_factory=dict)  # row by row
    shapes: dict[Series, tuple[int, ...]] = field(default_factory=dict)  # of each vector


@dataclass
class _Underway:
    step: int
    t: float
    readings: Sequence[Reading]
    host: Tensor | None = None  # where all numbers of a GPU's step arrive
    copied: Any = None  # the CUDA event after the copy


class Readings:
    """A queue of steps, first in, first out."""

    def __init__(self, device: torch.device) -> None:
        self.on_gpu = device.type == "cuda"
        self.lag = LAG if self.on_gpu else 0
        self._queue: deque[_Underway] = deque()

    def put(self, step: int, readings: Sequence[Reading]) -> None:
        """Take the readings of one step; their tensors may still be in the making on the device."""
        underway = _Underway(step, time.time(), readings)
        parts = [_flat(r.value) for r in readings if isinstance(r.value, Tensor)] if self.on_gpu else ()
        if parts:
            joined = torch.cat(parts)
            host = torch.empty(joined.shape, dtype=joined.dtype, pin_memory=True)
            host.copy_(joined, non_blocking=True)
            underway.host, underway.copied = host, torch.cuda.Event()
            underway.copied.record()
        self._queue.append(underway)

    def arrived(self, *, all_of_them: bool = False) -> Iterator[Arrived]:
        """Yield the steps whose numbers are here; waits only for those more than `lag` steps old, or for all."""
        while self._queue:
            first = self._queue[0]
            if first.copied is not None and not first.copied.query():
                if len(self._queue) <= self.lag and not all_of_them:
                    return
                first.copied.synchronize()
            yield _plain(self._queue.popleft())


def _numbers(underway: _Underway) -> Iterator[float]:
    """All numbers of a step's tensors one after another.  On a CPU scalars of one format come in one call, which costs more than they."""
    if underway.host is not None:
        return map(float, underway.host.tolist())
    tensors = [r.value.detach() for r in underway.readings if isinstance(r.value, Tensor)]
    runs = groupby(tensors, key=lambda t: (t.ndim == 0, t.dtype))
    return chain.from_iterable(
        map(float, torch.stack(list(found)).tolist()) if scalar else (float(v) for t in found for v in t.flatten().tolist())
        for (scalar, _), found in runs
    )


def _flat(value: Tensor) -> Tensor:
    value = value.detach().reshape(-1)
    return value if value.is_floating_point() else value.double()  # a count beyond 2^24 must stay exact


def _plain(underway: _Underway) -> Arrived:
    out = Arrived(underway.step, underway.t)
    numbers = _numbers(underway)
    for metric, value, layer in underway.readings:
        if isinstance(value, Tensor):
            if value.ndim:
                out.vectors[metric, layer], out.shapes[metric, layer] = list(islice(numbers, value.numel())), tuple(value.shape)
            else:
                out.scalars[metric, layer] = next(numbers)
        elif isinstance(value, int | float):
            out.scalars[metric, layer] = float(value)
        else:
            out.vectors[metric, layer], out.shapes[metric, layer] = [float(v) for v in value], (len(value),)
    return out
