"""Inputs of the kernel moe_route with their answers.

Shapes: T tokens, E experts, k experts per token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from kernels.kernel import Runner, Sample, Tensors
from kernels.moe_route.moe_route import Routed, RouteTensors, backward_on, backward_reference, launch_route, reference
from kernels.moe_route.sort import Order, sort_on, sort_reference


def _logits(tokens: int, experts: int, planted: bool) -> Tensor:
    """Scores that lie well apart in fp32, with ties; some rows with -inf or NaN."""
    made = torch.Generator().manual_seed(tokens + experts)
    rows = [torch.randperm(experts, generator=made) for _ in range(tokens)]
    logits = (torch.stack(rows).float() if rows else torch.zeros(0, experts)) * (6.0 / experts) - 2.0
    if planted:
        logits[0, : experts // 2] = logits[0, 0]  # ties: the lowest expert wins
        logits[1, 1], logits[2, 3] = -float("inf"), float("nan")
        logits[3] = 0.25
    return logits


def _sample(name: str, tokens: int, experts: int, k: int, *, planted: bool = False, **how: bool) -> Sample:
    sigmoid, renormalise = how.get("sigmoid", False), how.get("renormalise", False)

    def given() -> list[Any]:
        made = torch.Generator().manual_seed(1)
        bias = 0.4 * torch.randn(experts, generator=made).mul(8).round().div(8) if how.get("bias") else None
        last = torch.randint(-1, experts, (tokens,), generator=made) if how.get("visits") else None
        return [_logits(tokens, experts, planted), k, bias, last]

    def gradients() -> list[Tensor]:
        made = torch.Generator().manual_seed(2)
        return [torch.randn(shape, generator=made) for shape in ((tokens, experts), (tokens, k), (tokens,))]

    def outputs(out: RouteTensors, d_logits: Tensor, order: Order) -> Tensors:
        found = dict(zip(Routed._fields, out, strict=True)) | {"d_logits": d_logits} | order._asdict()
        return {key: value.cpu() for key, value in found.items()}

    def run(runner: Runner) -> Tensors:
        moved = [x.to(runner.device) if isinstance(x, Tensor) else x for x in given()]
        out = launch_route(runner, *moved, sigmoid, renormalise)
        d = backward_on(runner, moved[0], out[1], *(g.to(runner.device) for g in gradients()), sigmoid, renormalise)
        return outputs(out, d, sort_on(runner, out[1], experts))

    def expected() -> Tensors:
        wide = [x.double() if isinstance(x, Tensor) and x.is_floating_point() else x for x in given()]
        out = reference(*wide, sigmoid, renormalise)
        d = backward_reference(wide[0], out[1], *(g.double() for g in gradients()), sigmoid, renormalise)
        return outputs(out, d, sort_reference(out[1], experts))

    return Sample(name, run, expected, 1e-5, 2e-6, exact=("chosen_Tk", "counts_E", "changed", *Order._fields))


def samples() -> Iterator[Sample]:
    yield _sample("softmax, one expert per token", 37, 8, 1, visits=True)
    yield _sample("softmax, a bias that only chooses", 61, 7, 3, bias=True, visits=True)
    yield _sample("sigmoid, renormalised", 29, 31, 6, sigmoid=True, renormalise=True, bias=True)
    yield _sample("softmax, renormalised, more experts than lanes", 23, 67, 5, renormalise=True)
    yield _sample("256 experts, 8 of them", 11, 256, 8, sigmoid=True)
    yield _sample("127 experts, all lanes uneven", 13, 127, 2, bias=True)
    yield _sample("one expert", 5, 1, 1)
    yield _sample("no tokens", 0, 8, 2)
    yield _sample("ties, -inf and NaN planted", 9, 16, 4, planted=True)
    yield _sample("ties, -inf and NaN planted, sigmoid", 9, 40, 2, planted=True, sigmoid=True)
    yield _sample("more than one tile to sort", 401, 5, 3)
