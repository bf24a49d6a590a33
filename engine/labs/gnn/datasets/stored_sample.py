"""What the readers of stored sets share: one graph as it is stored, and what a file must not exceed.

Shapes: N nodes, E edges, D numbers of a node.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 1 << 30  # of one file
Numbers = NDArray[np.float64] | NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """One graph of a set as it is stored.

    pairs_E2  (E, 2) int64, ends from 0; both directions, loops and repetitions may be there
    x_ND      (N, D) numbers of the nodes: whole ones are kinds, others are quantities; D may be 0
    label_N   (N,) int64: what is asked for, of each node or the same for all of the graph; None where the set says nothing of the kind
    """

    nodes: int
    pairs_E2: NDArray[np.int64]
    x_ND: tuple[Numbers, ...]
    label_N: NDArray[np.int64] | None


def bounded(path: Path) -> Path:
    """The path, where it is a file of allowed size.  ValueError, in one sentence."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{path.name} has {size:,} bytes and at most {MOST_BYTES:,} are read; take a smaller set.")
    return path


def chosen(wanted: range, graphs: int, name: str) -> range:
    """`wanted`; ValueError, in one sentence, where the set has fewer graphs."""
    if wanted.stop > graphs:
        raise ValueError(
            f"graphs {wanted.start} to {wanted.stop - 1} of {name} are asked for and it has graphs 0 to {graphs - 1}; choose among these."
        )
    return wanted
