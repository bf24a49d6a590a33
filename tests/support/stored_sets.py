"""Small sets of graphs in the forms in which others give theirs away; ours mean no substance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

RINGS = ((6, 3), (5, 0), (8, 2), (6, 4), (7, 1), (5, 5))  # of each graph: nodes of a ring, and of a tail at it


def edges_of(ring: int, tail: int) -> list[tuple[int, int]]:
    around = [(node, (node + 1) % ring) for node in range(ring)]
    return around + [(node - 1 if node > ring else 0, node) for node in range(ring, ring + tail)]


def kinds_of(ring: int, tail: int) -> list[int]:
    """Three kinds of nodes: in the ring, in the tail, and where both meet."""
    return [2, *[0] * (ring - 1), *[1] * tail]


def write_text_set(folder: Path, name: str = "MUTAG", rings: Sequence[tuple[int, int]] = RINGS, attributes: bool = False) -> None:
    """The text files of a TUDataset: every edge in both directions, nodes and graphs counted from 1, labels -1 and 1."""
    folder.mkdir(parents=True)
    ends, of, kinds, start = [], [], [], 1
    for graph, (ring, tail) in enumerate(rings, 1):
        for a, b in edges_of(ring, tail):
            ends += [(start + a, start + b), (start + b, start + a)]
        of += [graph] * (ring + tail)
        kinds += kinds_of(ring, tail)
        start += ring + tail
    labels = [1 if ring % 2 else -1 for ring, _ in rings]
    write = {"A": ends, "graph_indicator": of, "node_labels": kinds, "graph_labels": labels}
    if attributes:
        write["node_attributes"] = np.random.default_rng(0).normal(3.0, 2.0, (len(of), 2)).round(4).tolist()
    for part, rows in write.items():
        lines = (", ".join(map(str, row)) if isinstance(row, (tuple, list)) else str(row) for row in rows)
        (folder / f"{name}_{part}.txt").write_text("\n".join(lines) + "\n")
