"""Norms on a CPU: right from the smallest to the largest numbers of fp32, and torch's own bits in between."""

from __future__ import annotations

import math

import pytest
import torch

from engine.labs.common.norms import Groups, norms, total

SIZES = [1e-38, 1e-24, 1e-12, 1e-3, 1.0, 1e3, 1e12, 1e20, 1e30]


@pytest.mark.parametrize("size", SIZES)
def test_a_norm_is_that_of_float64_whatever_the_size_of_the_numbers(size: float) -> None:
    tensors = [torch.full((40, 3), size), torch.full((7,), size)]
    parts = norms(tensors)
    assert parts.tolist() == pytest.approx([size * math.sqrt(120), size * math.sqrt(7)], rel=1e-6)
    assert total(parts).item() == pytest.approx(size * math.sqrt(127), rel=1e-6)
    assert Groups([[0, 1], [1]], 2).norms(parts).tolist() == pytest.approx([size * math.sqrt(127), size * math.sqrt(7)], rel=1e-6)
    assert norms([tensors[0], None])[1].item() == 0.0


def test_what_is_not_finite_stays_what_it_is() -> None:
    parts = norms([torch.tensor([1.0, math.nan]), torch.tensor([math.inf, 1.0]), torch.zeros(3)])
    assert math.isnan(parts[0])
    assert parts[1:].tolist() == [math.inf, 0.0]
    assert math.isnan(total(parts))
    assert total(parts[1:]).item() == math.inf


def test_ordinary_numbers_have_torch_s_bits() -> None:
    tensors = [torch.randn(33, 7, generator=torch.Generator().manual_seed(s)) * 10.0**s for s in range(-4, 5)]
    expected = torch.stack(torch._foreach_norm(tensors))
    assert torch.equal(norms(tensors), expected)
    assert torch.equal(total(expected), torch.linalg.vector_norm(expected))
