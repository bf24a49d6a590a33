"""Inputs of the kernel spam_adam with their float64 answers: odd, empty and unaligned sizes, NaN and infinities planted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from kernels.kernel import Runner, Sample, Tensors, moved
from kernels.spam_adam.spam_adam import CHUNK, Hyper, launch_update, reference


def _state(sizes: Sequence[int], averages: int, seed: int, offset: int = 0) -> list[list[Tensor]]:
    """weights, gradients, m, v and averages; v is small somewhere, so that some gradients are spikes."""
    made = torch.Generator().manual_seed(seed)

    def some() -> list[Tensor]:
        return [torch.randn(n + offset, generator=made)[offset:] for n in sizes]

    weights, gradients, m = some(), some(), [0.1 * t for t in some()]
    v = [(t.square() + 0.1) * 0.2 for t in some()]
    if offset:
        v, m = [torch.cat([t[:1], t])[1:] for t in v], [torch.cat([t[:1], t])[1:] for t in m]
    return [weights, gradients, m, v, *[some() for _ in range(averages)]]


def _sample(
    name: str, sizes: Sequence[int], hyper: Hyper, gradient: torch.dtype = torch.float32, offset: int = 0, planted: bool = False
) -> Sample:
    steps = 2

    def state() -> list[list[Tensor]]:
        groups = _state(sizes, len(hyper.rates), 7, offset)
        groups[1] = [g.to(gradient) for g in groups[1]]
        if planted:
            for place, value in ((0, "nan"), (5, "inf"), (11, "-inf"), (12, "0")):
                groups[1][0][place] = float(value)
            groups[3][0][13] = float("nan")
        return groups

    def result(groups: list[list[Tensor]], clipped: list[Tensor]) -> Tensors:
        names = ("weight", "gradient", "m", "v", "average 1", "average 2")
        found = {n: torch.cat([t.cpu() for t in group]) for n, group in zip(names, groups, strict=False)}
        return found | {"clipped": torch.stack([c.cpu() for c in clipped])}

    def each_step() -> Iterator[Hyper]:
        for i in range(steps):
            yield Hyper(**{**vars(hyper), "count": hyper.count + i, "fresh": hyper.fresh and i == 0})

    def run(runner: Runner) -> Tensors:
        groups = [[moved(t, runner.device) for t in group] for group in state()]
        return result(groups, [launch_update(runner, *groups[:4], groups[4:], h) for h in each_step()])

    def outputs() -> Tensors:
        groups = [[t.double() for t in group] for group in state()]
        return result(groups, [reference(*groups[:4], groups[4:], _as_fp32(h)) for h in each_step()])

    return Sample(name, run, outputs, rtol=2e-5, atol=2e-6, exact=("gradient", "clipped"))


def _as_fp32(hyper: Hyper) -> Hyper:
    """The numbers that the kernel receives."""
    return Hyper(**{k: torch.tensor(x, dtype=torch.float32).item() if isinstance(x, float) else x for k, x in vars(hyper).items()})


def samples() -> Iterator[Sample]:
    odd = [1, 3, 0, 127, 1021, 4096]
    spam = Hyper(lr=1e-2, eps=1e-6, decay=0.1, theta=5.0, scale=0.3, count=3)
    yield _sample("AdamW at odd and prime sizes, one empty", odd, Hyper(lr=1e-3, decay=0.01))
    yield _sample("spikes clipped and counted", odd, spam)
    yield _sample("a reset and its first warm-up step", odd, Hyper(**{**vars(spam), "theta": 0.0, "scale": 0.01, "fresh": True}))
    yield _sample("one average of the weights", odd, Hyper(**{**vars(spam), "rates": (0.1,)}))
    yield _sample("two averages, more than one chunk", [CHUNK + 5, 7], Hyper(**{**vars(spam), "rates": (0.5, 0.01)}))
    for name, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        for averages in range(3):
            yield _sample(
                f"gradients of {name}, {averages} averages",
                [5, 515],
                Hyper(**{**vars(spam), "rates": (0.2, 0.3)[:averages]}),
                gradient=dtype,
            )
    yield _sample("views that begin off a 16-byte boundary", [1, 261], spam, offset=1)
    yield _sample("NaN and infinities planted", [257], spam, planted=True)
