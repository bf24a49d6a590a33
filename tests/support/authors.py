"""Inputs and outputs of the authors' own code, as data: tests/labs/authors/*.json says whose code, which commit, and what was run."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor

from engine.core.paths import ROOT

FOLDER = ROOT / "tests" / "labs" / "authors"


def recorded(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """-> inputs and outputs of one file."""
    told = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return told["inputs"], told["outputs"]


def tensor(numbers: Any) -> Tensor:
    """float64."""
    return torch.tensor(numbers, dtype=torch.float64)


def same(answer: Tensor, expected: Any, tolerance: float = 1e-12) -> None:
    """Equal up to `tolerance` of the largest expected number."""
    wanted = expected if isinstance(expected, Tensor) else tensor(expected)
    torch.testing.assert_close(answer.detach().to(wanted.dtype), wanted, rtol=0.0, atol=tolerance * max(1.0, float(wanted.abs().max())))


class Tiny:
    """W2 tanh(W1 [inputs] + b1) + b2: the network on which the authors' losses were computed.  Its weights collect gradients."""

    def __init__(self, weights: dict[str, Any]) -> None:
        self.weights = {name: tensor(numbers).requires_grad_() for name, numbers in weights.items()}

    def __call__(self, *inputs: Tensor) -> Tensor:
        w = self.weights
        joined = torch.cat([x if x.ndim == 2 else x.unsqueeze(1) for x in inputs], dim=1)
        return torch.tanh(joined @ w["W1"].T + w["b1"]) @ w["W2"].T + w["b2"]

    def has_gradients(self, expected: dict[str, Any], tolerance: float = 1e-6, factor: float = 1.0) -> None:
        """Those of the authors, times `factor`."""
        for name, numbers in expected.items():
            gradient = self.weights[name].grad
            assert gradient is not None, name
            same(gradient, factor * tensor(numbers), tolerance)
