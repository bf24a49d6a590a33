"""What random graphs and rewirings draw from: a seed and a name, and nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, name: str) -> np.random.Generator:
    """What the random graphs and rewirings of a run with this seed draw from, and what a panel draws from that shows them."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little") >> 1)
