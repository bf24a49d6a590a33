"""What a router is given beside the tokens, for tests that have no text."""

from __future__ import annotations

import torch

from engine.labs.moe.models.routing import RouteContext


def no_text(tokens: int, length: int | None = None, step: int = 0) -> RouteContext:
    """Zero bytes, in sequences of `length` (one sequence where none is given)."""
    return RouteContext(torch.zeros(tokens, dtype=torch.int64), tokens if length is None else length, step)
