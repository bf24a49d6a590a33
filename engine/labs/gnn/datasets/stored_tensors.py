"""A set of the Long Range Graph Benchmark (Dwivedi et al. 2022, arXiv 2206.08164) in the files that its users have: processed/train.pt as
PyTorch Geometric writes it, or raw/train.pt.  Read as plain tensors, so that no code in them runs."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.labs.gnn.datasets.stored_sample import Sample, bounded, chosen

NAMES = ("Data", "DataTensorAttr", "DataEdgeAttr")  # of torch_geometric.data.data, which processed files name and nobody needs


class _Nothing:
    """Stands where a processed file names a class of PyTorch Geometric."""


def samples(path: Path, wanted: range, column: int) -> list[Sample]:
    """The wanted graphs.  ValueError, in one sentence, for a file that is no such set."""
    try:
        unused = [(_Nothing, f"torch_geometric.data.data.{name}") for name in NAMES]
        with warnings.catch_warnings(), torch.serialization.safe_globals(unused):
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)  # what is wrong with the file follows as an error
            content = torch.load(bounded(path), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(". ")
        raise ValueError(f"{path.name} of {_set(path)} cannot be read as plain tensors: {reason}.") from None
    try:
        return _processed(content, path, wanted, column) if isinstance(content, tuple) else _raw(content, path, wanted, column)
    except (KeyError, TypeError, IndexError, AttributeError, RuntimeError):
        raise ValueError(f"{path.name} of {_set(path)} does not hold graphs as PyTorch Geometric writes them.") from None


def _processed(content: tuple[Any, ...], path: Path, wanted: range, column: int) -> list[Sample]:
    """(values of all graphs one after the other, where each graph begins, …)."""
    if len(content) < 2:
        raise TypeError("no table says where each graph begins")
    values, starts = content[:2]

    def of(name: str, g: int) -> Tensor | None:
        if values.get(name) is None:
            return None
        dimension = 1 if name == "edge_index" else 0
        return values[name].narrow(dimension, int(starts[name][g]), int(starts[name][g + 1] - starts[name][g]))

    graphs = chosen(wanted, len(starts["edge_index"]) - 1, _set(path))
    return [_sample(of("x", g), of("edge_index", g), of("y", g), path, column) for g in graphs]


def _raw(content: list[Any], path: Path, wanted: range, column: int) -> list[Sample]:
    """Tuples (x, of edges, edges, answers), or of pcqm-contact (x, of edges, edges, pairs, answers), whose pairs are not asked for here."""
    graphs = chosen(wanted, len(content), _set(path))
    return [_sample(one[0], one[2], one[3] if len(one) == 4 else None, path, column) for one in (content[g] for g in graphs)]


def _sample(x: Tensor, edge_index: Tensor, y: Tensor | None, path: Path, column: int) -> Sample:
    if edge_index.dim() != 2 or len(edge_index) != 2 or edge_index.is_floating_point() or x.is_complex():
        raise TypeError("edges are two rows of whole numbers, and features real numbers")
    x_ND, pairs_E2 = x.reshape(len(x), -1).numpy(), edge_index.t().numpy().astype(np.int64)
    nodes = len(x_ND)
    if len(pairs_E2) and (pairs_E2.min() < 0 or pairs_E2.max() >= nodes):
        raise ValueError(f"{path.name} of {_set(path)} joins nodes that a graph of it does not have.")
    if not np.isfinite(x_ND).all():
        raise ValueError(f"{path.name} of {_set(path)} has features that are no finite numbers, and all must be.")
    kinds = x_ND.astype(np.int64 if np.issubdtype(x_ND.dtype, np.integer) else np.float64)
    return Sample(nodes, pairs_E2, (kinds,), None if y is None else _labels(y, nodes, path, column))


def _labels(y: Tensor, nodes: int, path: Path, column: int) -> NDArray[np.int64]:
    """(N,) of one label a node, or of one row of answers for the graph."""
    if not y.numel():
        raise TypeError("answers without a column")
    answers = y.reshape(-1).numpy() if y.dim() < 2 else y.reshape(len(y), -1).numpy()[0]
    if y.dim() < 2 and len(answers) == nodes:
        label_N = answers
    elif column < len(answers):
        label_N = np.repeat(answers[column], nodes)
    else:
        raise ValueError(f"column {column} of the answers is asked for and {_set(path)} has columns 0 to {len(answers) - 1}; choose one.")
    if not (np.isfinite(label_N) & (label_N == np.floor(label_N))).all():
        raise ValueError(f"the answers of {_set(path)} are numbers and no classes, which nothing here asks for yet; choose task=transfer.")
    return label_N.astype(np.int64)


def _set(path: Path) -> str:
    return path.parent.parent.name
