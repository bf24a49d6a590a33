"""Inputs of the kernel tensor_stats with their float64 answers: odd, empty and unaligned sizes, NaN and infinities planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from kernels.kernel import Runner, Sample, Tensors, moved
from kernels.tensor_stats.tensor_stats import CHUNK, FORMATS, Stats, launch_statistics, reference


def _sample(name: str, make: Callable[[], list[Tensor]], *, histogram: bool = True, rtol: float = 2e-6, atol: float = 1e-4) -> Sample:
    def outputs(stats: Stats) -> Tensors:
        sums, squares, largest, nonfinite, zeros = stats.values_P5.cpu().unbind(1)
        out = {"sum": sums, "squares": squares, "largest": largest, "nonfinite": nonfinite, "zeros": zeros}
        return out | ({} if stats.bins_PB is None else {"bins": stats.bins_PB.cpu()})

    def run(runner: Runner) -> Tensors:
        return outputs(launch_statistics(runner, [moved(t, runner.device) for t in make()], histogram=histogram))

    exact = ("largest", "nonfinite", "zeros", "bins")
    return Sample(name, run, lambda: outputs(reference(make(), histogram=histogram)), rtol, atol, exact=exact)


def samples() -> Iterator[Sample]:
    def normal(n: int, scale: float = 1.0, seed: int = 0) -> Tensor:
        return torch.randn(n, generator=torch.Generator().manual_seed(seed + n)) * scale

    def planted(dtype: torch.dtype) -> list[Tensor]:
        x = normal(1009).to(dtype)
        x[0], x[17], x[500], x[1008] = float("nan"), float("inf"), -float("inf"), 0.0
        clean = normal(13, 1e-3).to(dtype)
        clean[3] = -0.0
        return [x, clean]

    def tiny() -> list[Tensor]:
        return [torch.tensor([1e-45, -1e-40, 1e-38, 2.0**-47, 2.0**-48, 2.0**16, 65535.0, 3e5, 1.0, 1.9999999]), normal(257, 6e-8).half()]

    def every_size() -> list[Tensor]:
        """Positive, so that sums have no digits to lose: one size each, from the smallest to the largest that fp32 holds, then mixed."""
        sizes = (1e-45, 1e-40, 1e-38, 1e-30, 1e-24, 1.7e-18, 1.8e-18, 1e-12, 1e-6, 1.0, 1e6, 5.7e17, 5.8e17, 1e20, 1e30, 3e38)
        ones = [normal(531).abs().clamp(0.5, 1.0) * size for size in sizes]
        mixed = [torch.cat([ones[4], ones[13], ones[9]]), torch.cat([ones[4], ones[9]])[1:], torch.cat([ones[0], torch.zeros(1021)])]
        return [*ones, *mixed, *(t.bfloat16() for t in (ones[1], ones[4], ones[13], ones[15], mixed[0])), ones[8].half()]

    sizes = [1, 2, 31, 33, 0, 255, 1021, 4099]
    yield _sample("odd and prime sizes, one empty", lambda: [normal(n) for n in sizes])
    yield _sample("three formats in one launch", lambda: [normal(n).to(f) for n in (7, 1031, 0, 2053) for f in FORMATS])
    yield _sample("views that begin off a 16-byte boundary", lambda: [normal(2069).to(f)[k:] for f in FORMATS for k in (1, 2, 3)])
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)):
        yield _sample(f"NaN, infinities and zeros planted, {name}", lambda dtype=dtype: planted(dtype))
    yield _sample("subnormal numbers and the ends of the histogram", tiny)
    yield _sample("numbers of every size, alone and mixed", every_size, atol=0.0)
    yield _sample("more than one chunk", lambda: [normal(CHUNK + 1), normal(5), normal(2 * CHUNK)], histogram=False, rtol=1e-5)
    yield _sample("a transposed and a sliced matrix", lambda: [normal(33 * 65).view(33, 65).T, normal(40 * 50).view(40, 50)[::2, 3:11]])
