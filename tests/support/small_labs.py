"""Every lab in sizes that a test can afford."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "moe": {"layers": 2, "experts": 8, "d_model": 16, "heads": 2, "context": 16, "batch_size": 4, "expert_width": 8},
    "consistency": {"data": "digits", "width": 8, "batch_size": 16, "objective": "shortcut", "anchor": "expanded_interval"},
    "gnn": {"layers": 4, "width": 8, "positional_encoding": "laplacian"},
    "trainability": {"width": 4, "depth": 2},
    "unet": {"skips": 3, "width": 8, "batch_size": 4},
}
