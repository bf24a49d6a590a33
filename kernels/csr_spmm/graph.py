"""A graph in compressed rows, its transpose, and the ways to cut its edges into tiles of work for csr_spmm.

Shapes: N rows (targets), M columns (sources), E edges, T tiles, S slots, R shared rows.  All indices are int32.

Strategies after Raval et al., Dynamic Load Balancing Strategies for Graph Applications on GPUs (arXiv:1711.00231), and merge-path
after Merrill and Garland, Merge-Based Parallel Sparse Matrix-Vector Multiplication (SC 2016).
Differs: the paper walks frontiers of breadth-first search and finds its degree threshold in a histogram; we visit every edge
once, and the threshold is the power of two above twice the mean degree, at least 32, which is one load of a warp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

AUTO = "auto"
WARPS_BUSY = 8192  # resident warps of a large GPU; fewer tiles leave it idle
SURVIVORS = 256  # rows under which a level of `hierarchical` no longer fills the machine


@dataclass(frozen=True)
class Plan:
    """Tiles of one strategy.  A tile: first row, last row, first edge, end of edges, slot of its first and of its last row (-1 where
    the row is whole), two unused.  A shared row: row, its first slot, end of its slots, unused."""

    strategy: str
    reason: str
    tiles_T8: Tensor
    shared_R4: Tensor
    slots: int

    @property
    def work_T(self) -> Tensor:
        """Edges of each tile."""
        return self.tiles_T8[:, 3] - self.tiles_T8[:, 2]


@dataclass(frozen=True, eq=False)
class Rows:
    """One direction: the edges of row i are `col_E[ptr_N1[i]:ptr_N1[i + 1]]`; `edge_E`: their numbers in the order of the
    weights, None where that is this order."""

    ptr_N1: Tensor
    col_E: Tensor
    edge_E: Tensor | None = None
    plans: dict[str, Plan] = field(default_factory=dict, repr=False)

    @cached_property
    def degree_N(self) -> Tensor:
        return self.ptr_N1.diff()

    @cached_property
    def row_E(self) -> Tensor:
        rows = torch.arange(len(self.degree_N), dtype=torch.int32, device=self.ptr_N1.device)
        return torch.repeat_interleave(rows, self.degree_N.long())

    def plan(self, strategy: str = AUTO) -> Plan:
        """The tiles of a strategy, cut once.  Raises ValueError on a name that is not known."""
        if strategy not in self.plans:
            name, reason = best(self.degree_N) if strategy == AUTO else (strategy, "asked for")
            if name not in STRATEGIES:
                raise ValueError(f"strategy={strategy} is not known; allowed are {AUTO}, {', '.join(STRATEGIES)}.")
            cut = STRATEGIES[name] if len(self.ptr_N1) > 1 else _node  # no rows, no tiles
            self.plans[strategy] = _plan(name, reason, self.ptr_N1, *cut(self.ptr_N1))
        return self.plans[strategy]


@dataclass(frozen=True, eq=False)
class Graph:
    """`rows`: who is read by each target; `sources`: M.  Edge weights are in the order of `rows`.  `order_E`: that order in the edges
    that `from_edges` was given.  Raises ValueError on indices that do not fit."""

    rows: Rows
    sources: int
    order_E: Tensor | None = None

    def __post_init__(self) -> None:
        ptr, col = self.rows.ptr_N1, self.rows.col_E
        if ptr.dtype != torch.int32 or col.dtype != torch.int32 or ptr.ndim != 1 or col.ndim != 1 or not len(ptr):
            raise ValueError("A graph needs int32 vectors: row offsets, at least one, and columns.")
        if int(ptr[0]) != 0 or int(ptr[-1]) != len(col) or bool((self.rows.degree_N < 0).any()):
            raise ValueError(f"Row offsets must rise from 0 to the number of edges, {len(col)}.")
        if len(col) and not 0 <= int(col.min()) <= int(col.max()) < self.sources:
            raise ValueError(f"Columns must lie in 0 … {self.sources - 1}; they reach from {int(col.min())} to {int(col.max())}.")

    @classmethod
    def from_edges(cls, target_E: Tensor, source_E: Tensor, targets: int, sources: int) -> Graph:
        """From pairs in any order; edges of one target keep theirs."""
        if len(target_E) and not 0 <= int(target_E.min()) <= int(target_E.max()) < targets:
            raise ValueError(f"Targets must lie in 0 … {targets - 1}.")
        order = torch.argsort(target_E, stable=True)
        return cls(Rows(_offsets(target_E, targets), source_E[order].int()), sources, order)

    @property
    def targets(self) -> int:
        return len(self.rows.ptr_N1) - 1

    @cached_property
    def transpose(self) -> Rows:
        """Who reads each source: made once, kept with the graph; what a backward pass needs."""
        order = torch.argsort(self.rows.col_E, stable=True)
        return Rows(_offsets(self.rows.col_E, self.sources), self.rows.row_E[order], order.int())

    def to(self, device: torch.device | str) -> Graph:
        """A copy there, without its transpose and plans."""
        order = None if self.order_E is None else self.order_E.to(device)
        return Graph(Rows(self.rows.ptr_N1.to(device), self.rows.col_E.to(device)), self.sources, order)


def _offsets(row_E: Tensor, rows: int) -> Tensor:
    counts = torch.bincount(row_E.long(), minlength=rows)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int()


def histogram(work_T: Tensor) -> Tensor:
    """How many tiles have no edge, one, 2-3, 4-7, 8-15 …: bin b counts 2^(b-1) <= edges < 2^b."""
    return torch.bincount(torch.frexp(work_T.double()).exponent.long())


def best(degree_N: Tensor) -> tuple[str, str]:
    """The strategy for a distribution of degrees, and why.  Reasoned from the work of the longest tile, not yet measured on a GPU."""
    rows, edges = len(degree_N), int(degree_N.sum())
    if edges == 0:
        return "node", "there are no edges"
    longest, mean, empty = int(degree_N.max()), edges / rows, int((degree_N == 0).sum())
    told = f"the longest row has {longest} edges, the mean {mean:.3g}"
    if longest <= max(32.0, 4.0 * mean):
        return "node", f"{told}: the rows are even, and a row per warp needs no second pass"
    if rows < WARPS_BUSY // 16 and edges >= 32 * rows:
        return "edge", f"{told}, and {rows} rows are too few to fill a GPU"
    if mean < 8.0 or 2 * empty > rows:
        return "merge", f"{told}, {empty} of {rows} rows are empty: tiles must even out rows as well as edges"
    return "split", f"{told}: a few rows are far too long, the others fill a warp"


# -- the strategies: offsets -> first row, last row, first edge, end of edges, each T long ----------------------

Cut = tuple[Tensor, Tensor, Tensor, Tensor]


def _node(ptr: Tensor) -> Cut:
    rows = torch.arange(len(ptr) - 1, device=ptr.device)
    return rows, rows, ptr[:-1], ptr[1:]


def _between(ptr: Tensor, done_K: Tensor, edge_K: Tensor) -> Cut:
    """Tiles between K = T + 1 boundaries: rows finished before each, edges taken before each."""
    padded = torch.cat([ptr, ptr[-1:]])
    inside = edge_K > padded[done_K]  # the boundary lies in a row, or just before its end: then the row is finished
    ended = inside & (edge_K == padded[(done_K + 1).clamp(max=len(ptr))])
    done_K, inside = done_K + ended.long(), inside & ~ended
    first, last = done_K[:-1], done_K[1:] - 1 + inside[1:].long()
    some = last >= first
    return first[some], last[some], edge_K[:-1][some], edge_K[1:][some]


def _tile_size(items: int) -> int:
    """Four tiles for each resident warp, within 32 and 512 items."""
    size = 32
    while size < 512 and items > 4 * WARPS_BUSY * size:
        size *= 2
    return size


def _edge(ptr: Tensor) -> Cut:
    """Empty rows go to the tile of the edge before them."""
    edges, rows = int(ptr[-1]), len(ptr) - 1
    size = _tile_size(edges)
    edge_K = (torch.arange(max(1, -(-edges // size)) + 1, device=ptr.device) * size).clamp(max=edges)
    done_K = torch.searchsorted(ptr[1:].long(), edge_K, right=True)
    done_K[0], done_K[-1] = 0, rows
    return _between(ptr, done_K, edge_K)


def _merge(ptr: Tensor) -> Cut:
    """Row ends and edges merged into one list: the end of row i stands after ptr[i + 1] edges and i row ends."""
    edges, rows = int(ptr[-1]), len(ptr) - 1
    size = _tile_size(edges + rows)
    diagonal_K = (torch.arange(max(1, -(-(edges + rows) // size)) + 1, device=ptr.device) * size).clamp(max=edges + rows)
    done_K = torch.searchsorted(ptr[1:].long() + torch.arange(rows, device=ptr.device), diagonal_K)
    return _between(ptr, done_K, diagonal_K - done_K)


def _threshold(ptr: Tensor) -> int:
    size = 32
    while size < 2 * int(ptr[-1]) / max(1, len(ptr) - 1):
        size *= 2
    return size


def _pieces(row_A: Tensor, begin_A: Tensor, end_A: Tensor, size: int) -> Cut:
    """Stretches of rows in pieces of at most `size` edges, one for an empty stretch."""
    count_A = ((end_A - begin_A + size - 1) // size).clamp(min=1)
    owner = torch.repeat_interleave(torch.arange(len(row_A), device=row_A.device), count_A)
    index = torch.arange(len(owner), device=row_A.device) - (count_A.cumsum(0) - count_A)[owner]
    begin = begin_A[owner] + index * size
    return row_A[owner], row_A[owner], begin, torch.minimum(begin + size, end_A[owner])


def _split(ptr: Tensor) -> Cut:
    rows, _, begin, end = _node(ptr)
    return _pieces(rows, begin.long(), end.long(), _threshold(ptr))


def _hierarchical(ptr: Tensor) -> Cut:
    """Level by level, every row that still has edges gives one piece; once few rows are left, even shares of what remains."""
    size, (row, _, begin, end) = _threshold(ptr), _node(ptr)
    begin, end, levels = begin.long(), end.long(), []
    while True:
        levels.append((row, row, begin, torch.minimum(begin + size, end)))
        left = end > begin + size
        row, begin, end = row[left], begin[left] + size, end[left]
        if len(row) < SURVIVORS:
            break
    if len(row):
        share = -(-int((end - begin).sum()) // WARPS_BUSY)
        levels.append(_pieces(row, begin, end, max(32, -(-share // 32) * 32)))
    return tuple(torch.cat(column) for column in zip(*levels, strict=True))


STRATEGIES: Mapping[str, Callable[[Tensor], Cut]] = {
    "node": _node,
    "edge": _edge,
    "split": _split,
    "merge": _merge,
    "hierarchical": _hierarchical,
}


def _plan(name: str, reason: str, ptr: Tensor, first: Tensor, last: Tensor, begin: Tensor, end: Tensor) -> Plan:
    """Gives a slot to every part of a row that other tiles share; slots are numbered by row, then by edge."""
    first, last, begin, end, ptr = first.long(), last.long(), begin.long(), end.long(), ptr.long()
    tiles = torch.stack([first, last, begin, end, *[torch.full_like(first, -1)] * 2, *[torch.zeros_like(first)] * 2], dim=1)
    if len(tiles):
        head = (ptr[first] < begin) | (ptr[first + 1] > end)
        tail = (last > first) & (ptr[last + 1] > end)
        at = torch.cat([head.nonzero()[:, 0], tail.nonzero()[:, 0]])
        row = torch.cat([first[head], last[tail]])
        key = row * (ptr[-1] + 1) + torch.cat([begin[head], ptr[last[tail]]])
        order = torch.argsort(key, stable=True)
        slot = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=ptr.device))
        heads = int(head.sum())
        tiles[at[:heads], 4], tiles[at[heads:], 5] = slot[:heads], slot[heads:]
    else:
        row = order = first
    shared, counts = torch.unique_consecutive(row[order], return_counts=True)
    ends = counts.cumsum(0)
    table = torch.stack([shared, ends - counts, ends, torch.zeros_like(ends)], dim=1)
    return Plan(name, reason, tiles.int().contiguous(), table.int().contiguous(), len(row))
