"""Experts as a grouped product and as a loop are the same function, forward and backward, with empty experts too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.labs.moe.models.experts import experts, grouped_dtype, in_groups

COUNTS = ([3, 0, 10, 4, 0], [0, 0, 0, 0, 17], [17, 0, 0, 0, 0], [1, 2, 3, 5, 6])


def operands(dtype: torch.dtype) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    shapes = [(17, 16), (5, 24, 16), (5, 16, 24)]
    return [(torch.randn(shape, generator=draw) / shape[-1] ** 0.5).to(dtype).requires_grad_() for shape in shapes]


def oracle(x: Tensor, w_in: Tensor, w_out: Tensor, counts: list[int]) -> Tensor:
    """Row by row in float64."""
    of = [e for e, count in enumerate(counts) for _ in range(count)]
    rows = []
    for row, e in zip(x.double(), of, strict=True):
        h = w_in[e].double() @ row
        rows.append(w_out[e].double() @ (0.5 * h * (1 + torch.erf(h / 2**0.5))))
    return torch.stack(rows)


@pytest.mark.parametrize("counts", COUNTS, ids=str)
@pytest.mark.parametrize(("how", "dtype", "close"), [(experts, torch.float32, 1e-5), (in_groups, torch.bfloat16, 4e-2)])
def test_both_ways_equal_a_row_by_row_oracle(how, dtype: torch.dtype, close: float, counts: list[int]) -> None:
    given, same = operands(dtype), operands(dtype)
    weight = torch.randn(17, 16, generator=torch.Generator().manual_seed(1))
    got, told = how(*given, torch.tensor(counts)), oracle(*same, counts)
    torch.testing.assert_close(got.double(), told, rtol=close, atol=close)
    (got * weight.to(dtype)).sum().backward()
    (told * weight.to(dtype).double()).sum().backward()
    for mine, theirs in zip(given, same, strict=True):
        torch.testing.assert_close(mine.grad.double(), theirs.grad.double(), rtol=close, atol=close)


def test_a_cpu_keeps_the_loop() -> None:
    x, w_in, _ = operands(torch.bfloat16)
    assert grouped_dtype(x, w_in) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_a_gpu_that_has_the_kernel_uses_it_under_autocast() -> None:
    x, w_in, w_out = (t.detach().cuda() for t in operands(torch.float32))
    counts = torch.tensor(COUNTS[0], device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        has = torch.cuda.get_device_capability() >= (9, 0)
        assert (grouped_dtype(x, w_in) == torch.bfloat16) is has
        got = experts(x, w_in, w_out, counts)
    told = oracle(x.cpu(), w_in.cpu(), w_out.cpu(), COUNTS[0])
    torch.testing.assert_close(got.cpu().double(), told, rtol=4e-2, atol=4e-2)
