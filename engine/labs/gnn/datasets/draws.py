"""What random graphs and rewirings draw from: a seed and a name, and nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, name: str) -> np.random.Generator:
    """The draws of the lab `gnn`, which has them from a generator of torch of the same name: a run of this seed makes the same graph."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little") >> 1)
