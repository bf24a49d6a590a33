"""Graphs of a data set that somebody has put into `data/sets/`: nothing is fetched, and nothing in a file is run.

Shapes: N nodes of all chosen graphs together, D features, E edges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.datasets.stored_sample import Sample

MOST_NODES = 2000  # of all chosen graphs together: layers and probes hold matrices of N × N


@dataclass(frozen=True)
class StoredGraph(Graph):
    """Several graphs of a set as the parts of one, with what the set says of the nodes.

    feature_ND  (N, D) float64: kinds as one-hot, quantities with mean 0 and deviation 1 over these nodes; a 1 where the set says nothing
    part_N      (N,) int64: which of the chosen graphs each node belongs to
    """

    feature_ND: NDArray[np.float64] | None = None
    part_N: NDArray[np.int64] | None = None

    def digest(self) -> str:
        """16 hexadecimal digits of what a graph has and of what the set says of its nodes."""
        whole = hashlib.sha256(super().digest().encode())
        for of_N in (self.feature_ND, self.part_N, self.label_N):
            whole.update(b"nothing" if of_N is None else np.ascontiguousarray(of_N).tobytes())
        return whole.hexdigest()[:16]


def stored(name: str, first: int, graphs: int, column: int, sets: Path | None = None) -> StoredGraph:
    """Graphs `first` to `first + graphs - 1` of the set `name`.  Of answers with several columns `column` is taken.

    `sets`: the folder of data sets, by default `sets/` in the data folder.  ValueError, in one sentence, where the set is not there, has
    other graphs or is not what it should be.
    """
    from engine.core.paths import data_folder

    folder = (sets or data_folder() / "sets") / name
    return joined(_samples(folder, name, range(first, first + graphs), column), name)


def joined(samples: Sequence[Sample], name: str) -> StoredGraph:
    """One graph of which these are the parts.  ValueError, in one sentence, for too many nodes."""
    sizes = np.array([one.nodes for one in samples])
    if sizes.sum() > MOST_NODES:
        raise ValueError(
            f"the {len(samples)} graphs of {name} have {sizes.sum():,} nodes and at most {MOST_NODES:,} are allowed; take fewer graphs."
        )
    start = np.cumsum(sizes) - sizes
    pairs = [one.pairs_E2 + offset for one, offset in zip(samples, start, strict=True)]
    plain = Graph.of(int(sizes.sum()), map(tuple, np.concatenate(pairs).tolist()))
    labels = [one.label_N for one in samples if one.label_N is not None]
    shared = {field.name: getattr(plain, field.name) for field in fields(Graph)}
    label_N = np.unique(np.concatenate(labels), return_inverse=True)[1] if len(labels) == len(samples) else None
    part_N = np.repeat(np.arange(len(samples)), sizes)
    return StoredGraph(**{**shared, "label_N": label_N}, feature_ND=_features(samples), part_N=part_N)


def _features(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """(N, D), the D at least 1."""
    columns = []
    for blocks in zip(*(one.x_ND for one in samples), strict=True):
        for x_N in np.concatenate(blocks).T:
            if np.issubdtype(x_N.dtype, np.integer):
                columns.append((x_N[:, None] == np.unique(x_N)).astype(float))
            else:
                columns.append(((x_N - x_N.mean()) / (x_N.std() or 1.0))[:, None])
    return np.concatenate(columns, axis=1) if columns else np.ones((sum(one.nodes for one in samples), 1))


def _samples(folder: Path, name: str, wanted: range, column: int) -> list[Sample]:
    for text in (folder, folder / "raw", folder / name):
        if (text / f"{name}_A.txt").is_file():
            from engine.labs.gnn.datasets.stored_text import samples

            return samples(text, name, wanted)
    tensors = next((path for path in _tensor_files(folder) if path.is_file()), None)
    if tensors is None:
        raise ValueError(
            f"The set {name} is not in {folder}; put the text files of a TUDataset ({name}_A.txt and the others) or processed/train.pt of "
            "an LRGB set there, or choose a graph that is made, such as graph=molecules."
        )
    from engine.labs.gnn.datasets.stored_tensors import samples as of_tensors

    return of_tensors(tensors, wanted, column)


def _tensor_files(folder: Path) -> Iterator[Path]:
    for part in ("processed", "raw"):
        yield folder / part / "train.pt"
