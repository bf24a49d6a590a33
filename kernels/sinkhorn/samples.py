"""Inputs of the kernel sinkhorn with their float64 answers: odd, empty and unaligned sizes, NaN and infinities planted."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from kernels.kernel import Runner, Sample, Tensors
from kernels.sinkhorn.sinkhorn import ON_CHIP, WARPS, backward_on, backward_reference, launch_sinkhorn, reference


def _sample(name: str, T: int, E: int, iterations: int, *, scale: float = 1.0, planted: str = "", streamed: bool = False) -> Sample:
    def given() -> Tensor:
        scores = scale * torch.randn(T, E, generator=torch.Generator().manual_seed(T * E))
        if planted == "nan":
            scores[1, 2] = float("nan")
        if planted == "-inf":
            scores[0, : E - 1], scores[2, 1] = -float("inf"), -float("inf")
        return scores

    def gradients() -> tuple[Tensor, Tensor]:
        made = torch.Generator().manual_seed(5)
        return torch.randn(iterations, T, generator=made), torch.randn(iterations, E, generator=made)

    def run(runner: Runner) -> Tensors:
        scores = given().to(runner.device)
        f, g, errors = launch_sinkhorn(runner, scores, iterations)
        d = backward_on(runner, scores, f, g, *(x.to(runner.device) for x in gradients()))
        return {"f": f.cpu(), "g": g.cpu(), "errors": errors.cpu(), "d_scores": d.cpu()}

    def outputs() -> Tensors:
        scores = given().double()
        f, g, errors = reference(scores, iterations)
        return {"f": f, "g": g, "errors": errors, "d_scores": backward_reference(scores, f, g, *(x.double() for x in gradients()))}

    assert streamed == (4 * (T * E + T + E + WARPS) > ON_CHIP)
    return Sample(name, run, outputs, rtol=1e-4 * max(1.0, scale / 10), atol=2e-5 * max(1.0, scale))


def samples() -> Iterator[Sample]:
    yield _sample("on chip, odd sizes", 37, 11, 4)
    yield _sample("on chip, more columns than rows", 5, 97, 3)
    yield _sample("on chip, one row", 1, 7, 2)
    yield _sample("on chip, one column", 13, 1, 2)
    yield _sample("on chip, scores in the hundreds", 31, 8, 3, scale=100.0)
    yield _sample("on chip, -inf planted", 17, 5, 3, planted="-inf")
    yield _sample("on chip, NaN planted", 17, 5, 2, planted="nan")
    yield _sample("streaming, prime sizes", 389, 37, 3, streamed=True)
    yield _sample("streaming, more columns than threads", 43, 307, 2, streamed=True)
    yield _sample("streaming, NaN planted", 211, 61, 2, planted="nan", streamed=True)
