"""spam_adam: spike-aware Adam over any number of parameters in one launch, with up to two moving averages of the weights.

Shapes: P parameters; every list holds P tensors of the same shapes, fp32 but for gradients, which may be fp16 or bf16.
"""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.checked import checked, described, plain_name
from kernels.kernel import Kernel, Runner
from kernels.launch import KERNEL_PATH, capturing

CHUNK, THREADS = 16384, 256
Many = Sequence[Tensor]
FORMATS = {torch.float32: "float", torch.float16: "f16", torch.bfloat16: "bf16"}


@dataclass(frozen=True)
class Hyper:
    """One step's numbers.  `theta` 0: no spike clipping.  `scale` multiplies the step, not the decay.  `count`: steps that the
    bias corrections know, from 1.  `fresh`: both moments begin at 0 in this step.  `rates`: 1 - beta of each average."""

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    decay: float = 0.0
    theta: float = 0.0
    scale: float = 1.0
    count: int = 1
    fresh: bool = False
    rates: tuple[float, ...] = ()

    @property
    def corrections(self) -> tuple[float, float]:
        return 1.0 - self.beta1**self.count, 1.0 - self.beta2**self.count


class _Step(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_float) for name in ("lr", "beta1", "beta2", "eps", "decay", "theta", "scale")),
        *((name, ctypes.c_float) for name in ("correction1", "root_correction2", "average_rate0", "average_rate1")),
        ("fresh", ctypes.c_int),
    ]


def spam_adam(
    weights: Many,
    gradients: Many,
    m: Many,
    v: Many,
    averages: Sequence[Many],
    hyper: Hyper,
) -> Tensor:
    """One step in place -> how many gradient coordinates were clipped, int64, on the device."""
    if not weights:
        return torch.zeros((), dtype=torch.int64)
    given = weights, gradients, m, v, averages, hyper
    device = weights[0].device
    why = _why_not(weights, gradients, [*weights, *m, *v, *(t for group in averages for t in group)]) or capturing(device)
    with torch.no_grad():
        return KERNEL_PATH.run(KERNEL, device, why, lambda runner: launch_update(runner, *given), lambda: reference(*given))


def _why_not(weights: Many, gradients: Many, in_place: Many) -> str:
    """Why the kernel cannot take these tensors, or nothing."""
    for tensor in in_place:
        if tensor.dtype != torch.float32 or not tensor.is_contiguous():
            return f"it takes weights, moments and averages in float32, side by side, and was given {described(tensor)}"
    formats = {g.dtype for g in gradients}
    if len(formats) != 1 or not formats <= set(FORMATS):
        names = ", ".join(sorted(map(plain_name, formats)))
        return f"it takes gradients of one format out of {', '.join(map(plain_name, FORMATS))}, and was given {names}"
    return ""


def reference(
    weights: Many,
    gradients: Many,
    m: Many,
    v: Many,
    averages: Sequence[Many],
    hyper: Hyper,
) -> Tensor:
    """The specification, in the weights' own format, in place."""
    first, second = hyper.corrections
    clipped = torch.zeros((), dtype=torch.int64, device=weights[0].device)
    for i, (w, raw, m_i, v_i) in enumerate(zip(weights, gradients, m, v, strict=True)):
        g = raw.to(w.dtype)
        if hyper.fresh:
            m_i.zero_()
            v_i.zero_()
        if hyper.theta > 0:
            limit = hyper.theta * v_i
            spike = g.square() > limit
            clipped += spike.sum()
            g = torch.where(spike, torch.copysign(limit.sqrt(), g), g)
        m_i.lerp_(g, 1 - hyper.beta1)
        v_i.mul_(hyper.beta2).addcmul_(g, g, value=1 - hyper.beta2)
        w.mul_(1 - hyper.lr * hyper.decay)
        w.addcdiv_(m_i, (v_i.sqrt() / second**0.5).add_(hyper.eps), value=-hyper.lr * hyper.scale / first)
        for average, rate in zip(averages, hyper.rates, strict=True):
            average[i].lerp_(w, rate)
    return clipped


def launch_update(
    runner: Runner,
    weights: Many,
    gradients: Many,
    m: Many,
    v: Many,
    averages: Sequence[Many],
    hyper: Hyper,
) -> Tensor:
    """One launch for all parameters, in place.  Raises ValueError on a format, a device or a shape that does not fit."""
    lengths = {"weights": len(weights), "gradients": len(gradients), "m": len(m), "v": len(v)}
    lengths |= {f"average {i + 1}": len(group) for i, group in enumerate(averages)}
    if len(set(lengths.values())) != 1 or len(averages) != len(hyper.rates) or len(averages) > 2:
        raise ValueError(f"spam_adam got {lengths} tensors and {len(hyper.rates)} rates; give as many of each, and at most two averages.")
    named = zip(("weights", "m", "v", "average 1", "average 2"), (weights, m, v, *averages), strict=False)
    for name, group in named:
        for i, tensor in enumerate(group):
            checked("spam_adam", f"{name}[{i}]", tensor, torch.float32, runner.device, weights[i].shape, in_place=True)
    formats = gradients[0].dtype if gradients and gradients[0].dtype in FORMATS else FORMATS  # all of one format
    gradients = [checked("spam_adam", f"gradients[{i}]", g, formats, runner.device, weights[i].shape) for i, g in enumerate(gradients)]
    groups = [weights, gradients, m, v, *averages, *[weights] * (2 - len(averages))]  # an average that is not there is never touched
    segments, chunks = _tables(groups, runner.device)
    clipped = torch.zeros((), dtype=torch.int64, device=runner.device)
    first, second = hyper.corrections
    rates = (*hyper.rates, 0.0, 0.0)
    step = _Step(
        *(hyper.lr, hyper.beta1, hyper.beta2, hyper.eps, hyper.decay, hyper.theta, hyper.scale),
        *(first, second**0.5, rates[0], rates[1], int(hyper.fresh)),
    )
    if len(chunks):
        runner.launch(
            KERNEL, f"spam_adam<{FORMATS[gradients[0].dtype]}, {len(averages)}>", len(chunks), THREADS, [segments, chunks, step, clipped]
        )
    return clipped


_CHUNKS: OrderedDict[tuple[tuple[int, ...], torch.device], Tensor] = OrderedDict()
REMEMBERED = 64  # lists of sizes: the groups of an optimizer come in turns


def _tables(groups: Sequence[Many], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pointers (P, 7), new in every step since gradients move; and the chunks (C, 2), which depend on the sizes alone."""
    sizes = tuple(t.numel() for t in groups[0])
    rows = [[*(t.data_ptr() for t in row), row[0].numel()] for row in zip(*groups, strict=True)]
    segments = torch.tensor(rows, dtype=torch.int64)
    if (sizes, device) in _CHUNKS:
        _CHUNKS.move_to_end((sizes, device))
    else:
        chunks = [(i, c) for i, n in enumerate(sizes) for c in range(-(-n // CHUNK))]
        _CHUNKS[sizes, device] = torch.tensor(chunks, dtype=torch.int32).view(-1, 2).to(device)
        if len(_CHUNKS) > REMEMBERED:
            _CHUNKS.popitem(last=False)
    return (segments.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else segments), _CHUNKS[sizes, device]


KERNEL = Kernel(name="spam_adam", entries={f"spam_adam<{g}, {n}>": 80 for g in FORMATS.values() for n in range(3)})
