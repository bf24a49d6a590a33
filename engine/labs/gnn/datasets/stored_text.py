"""A TUDataset as its authors give it: text files NAME_A.txt, NAME_graph_indicator.txt, NAME_graph_labels.txt, … (Morris et al. 2020,
arXiv 2007.08663).  Ends and graphs are counted from 1 there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.stored_sample import Numbers, Sample, bounded, chosen


def samples(folder: Path, name: str, wanted: range) -> list[Sample]:
    """The wanted graphs.  What nodes bear are their attributes, then their labels; what is asked for is the label of the graph.

    ValueError, in one sentence, for files that do not fit each other or are no numbers.
    """
    of_N = _whole(folder, name, "graph_indicator")[:, 0] - 1
    if (np.diff(of_N) < 0).any() or (len(of_N) and of_N[0] != 0):
        raise ValueError(f"{name}_graph_indicator.txt does not count the graphs from 1 upwards, so it is no TUDataset.")
    ends_E2 = _whole(folder, name, "A") - 1
    if ends_E2.shape[1] != 2 or (len(ends_E2) and (ends_E2.min() < 0 or ends_E2.max() >= len(of_N))):
        raise ValueError(f"{name}_A.txt names other nodes than the {len(of_N)} of {name}_graph_indicator.txt, so it is no TUDataset.")
    if len(ends_E2) and (of_N[ends_E2[:, 0]] != of_N[ends_E2[:, 1]]).any():
        raise ValueError(f"{name}_A.txt joins nodes of two graphs, so it is no TUDataset.")
    known = [_real(folder, name, "node_attributes"), _whole(folder, name, "node_labels", there=False)]
    x = [x_ND for x_ND in known if x_ND is not None]
    for x_ND in x:
        if len(x_ND) != len(of_N):
            raise ValueError(f"{name} has {len(of_N)} nodes and {len(x_ND)} lines that describe them, so it is no TUDataset.")
    label_G = _whole(folder, name, "graph_labels", there=False)
    graphs = int(of_N[-1]) + 1 if len(of_N) else 0
    if label_G is not None and len(label_G) != graphs:
        raise ValueError(f"{name} has {graphs} graphs and {len(label_G)} labels of graphs, so it is no TUDataset.")
    return [_one(g, of_N, ends_E2, x, label_G) for g in chosen(wanted, graphs, name)]


def _one(g: int, of_N: NDArray[np.int64], ends_E2: NDArray[np.int64], x: list[Numbers], label_G: NDArray[np.int64] | None) -> Sample:
    first, end = np.searchsorted(of_N, [g, g + 1])
    nodes = int(end - first)
    mine_E2 = ends_E2[of_N[ends_E2[:, 0]] == g] - first
    return Sample(nodes, mine_E2, tuple(x_ND[first:end] for x_ND in x), None if label_G is None else np.repeat(label_G[g, 0], nodes))


def _whole(folder: Path, name: str, part: str, there: bool = True) -> NDArray[np.int64] | None:
    numbers = _real(folder, name, part)
    if numbers is None:
        if there:
            raise ValueError(f"{name}_{part}.txt is not in {folder}; a TUDataset has it beside {name}_A.txt, so put it there.")
        return None
    if (numbers != np.floor(numbers)).any() or (np.abs(numbers) > 2**53).any():
        raise ValueError(f"{name}_{part}.txt has numbers that are not whole, and they must be; it is no TUDataset.")
    return numbers.astype(np.int64)


def _real(folder: Path, name: str, part: str) -> NDArray[np.float64] | None:
    path = folder / f"{name}_{part}.txt"
    if not path.is_file():
        return None
    try:
        numbers = np.loadtxt(bounded(path), delimiter=",", ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path.name} is no table of numbers: {str(error).rstrip('.')}.") from None
    if not np.isfinite(numbers).all():
        raise ValueError(f"{path.name} has values that are no finite numbers, and all must be; it is no TUDataset.")
    return numbers
