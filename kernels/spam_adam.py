"""spam_adam: spike-aware Adam over any number of parameters in one launch, with up to two moving averages of the weights.

Shapes: P parameters; every list holds P tensors of the same shapes, fp32 but for gradients, which may be fp16 or bf16.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.kernel import Case, Kernel, Runner, Sample, Tensors, moved
from kernels.launch import CHOICE

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
    runner = CHOICE.runner(KERNEL, weights[0].device)
    takes = all(t.dtype == torch.float32 and t.is_contiguous() for group in (weights, m, v, *averages) for t in group)
    takes = takes and len({g.dtype for g in gradients}) == 1 and gradients[0].dtype in FORMATS
    with torch.no_grad():
        if runner and takes:
            return on(runner, weights, gradients, m, v, averages, hyper)
        return reference(weights, gradients, m, v, averages, hyper)


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


def on(
    runner: Runner,
    weights: Many,
    gradients: Many,
    m: Many,
    v: Many,
    averages: Sequence[Many],
    hyper: Hyper,
) -> Tensor:
    """One launch for all parameters, in place."""
    gradients = [g.contiguous() for g in gradients]
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


_CHUNKS: dict[tuple[tuple[int, ...], torch.device], Tensor] = {}


def _tables(groups: Sequence[Many], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pointers (P, 7), new in every step since gradients move; and the chunks (C, 2), which depend on the sizes alone."""
    sizes = tuple(t.numel() for t in groups[0])
    rows = [[*(t.data_ptr() for t in row), row[0].numel()] for row in zip(*groups, strict=True)]
    segments = torch.tensor(rows, dtype=torch.int64)
    if (sizes, device) not in _CHUNKS:
        chunks = [(i, c) for i, n in enumerate(sizes) for c in range(-(-n // CHUNK))]
        _CHUNKS.clear()
        _CHUNKS[sizes, device] = torch.tensor(chunks, dtype=torch.int32).view(-1, 2).to(device)
    return (segments.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else segments), _CHUNKS[sizes, device]


# -- samples -----------------------------------------------------------------------------------------


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
        return result(groups, [on(runner, *groups[:4], groups[4:], h) for h in each_step()])

    def told() -> Tensors:
        groups = [[t.double() for t in group] for group in state()]
        return result(groups, [reference(*groups[:4], groups[4:], _as_fp32(h)) for h in each_step()])

    return Sample(name, run, told, rtol=2e-5, atol=2e-6, exact=("gradient", "clipped"))


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


# -- benchmark ---------------------------------------------------------------------------------------


def cases(device: torch.device) -> Iterator[Case]:
    def fused(weights: list[Tensor], gradients: list[Tensor], **how: bool) -> torch.optim.Optimizer:
        parameters = [torch.nn.Parameter(w.clone()) for w in weights]
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = g
        return torch.optim.AdamW(parameters, lr=1e-3, **how)

    for size, tensors, each in (("launch-bound", 64, 4096), ("in the L2 cache", 16, 65_536), ("beyond the L2 cache", 128, 1_000_003)):
        groups = [[torch.rand(each, device=device) for _ in range(tensors)] for _ in range(4)]
        foreach, torch_fused = fused(*groups[:2], foreach=True), fused(*groups[:2], fused=True)
        compiled = torch.compile(fused(*groups[:2], foreach=True).step)
        hyper = Hyper(lr=1e-3, decay=0.01, theta=5000.0, count=10)
        yield Case(
            size,
            28 * tensors * each,
            lambda groups=groups, hyper=hyper: spam_adam(*groups, [], hyper),
            {"foreach AdamW, eager": foreach.step, "fused AdamW of torch": torch_fused.step, "foreach AdamW, compiled": compiled},
        )


KERNEL = Kernel(
    name="spam_adam",
    title="Spike-aware Adam and its averages in one pass",
    formula=r"g\leftarrow\mathrm{sign}(g)\sqrt{\theta v}\ \mathrm{where}\ g^2>\theta v,\quad m\leftarrow\beta_1m+(1-\beta_1)g,\quad "
    r"v\leftarrow\beta_2v+(1-\beta_2)g^2,\quad w\leftarrow w(1-\eta\lambda)-\eta s\,\frac{m/c_1}{\sqrt{v/c_2}+\epsilon},\quad "
    r"a_j\leftarrow a_j+r_j(w-a_j)",
    legend="P parameters of any size, in chunks of 16 Ki numbers; w weights, g gradients, m and v moments, a averages of the weights.",
    floor="28 bytes per fp32 parameter (read w, g, m, v; write w, m, v), 8 more for each average.",
    used_by="The answers adamw and spam of the question optimizer, on CUDA.",
    entries={f"spam_adam<{g}, {n}>": 80 for g in FORMATS.values() for n in range(3)},
    samples=samples,
    cases=cases,
    targets={"share of the byte floor beyond the L2 cache": "at least 85 %", "against eager foreach": "at least 3×"},
)
