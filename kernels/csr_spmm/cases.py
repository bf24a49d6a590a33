"""Benchmark of csr_spmm: regular and power-law graphs at three sizes, forward and with backward, against torch's own ways; and what
each strategy makes of such graphs, which is arithmetic and needs no GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from kernels.csr_spmm.csr_spmm import csr_spmm
from kernels.csr_spmm.graph import STRATEGIES, Graph, Rows, histogram
from kernels.csr_spmm.samples import power_law
from kernels.kernel import Case

FEATURES = 64


def regular(rows: int, degree: int, device: torch.device) -> Graph:
    """Every row has `degree` random sources."""
    seeded = torch.Generator(device).manual_seed(0)
    target = torch.arange(rows, device=device).repeat_interleave(degree)
    return Graph.from_edges(target, torch.randint(rows, (rows * degree,), generator=seeded, device=device), rows, rows)


def _scattered(x: Tensor, weight: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """Gather, weigh, scatter: three passes over E x D numbers."""
    return torch.zeros_like(x).index_add_(0, row, x[col] * weight[:, None])


def _with_backward(run: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Callable[[], object]:
    return lambda: torch.autograd.grad(run(x), x, gradient)


def cases(device: torch.device) -> Iterator[Case]:
    compiled = torch.compile(_scattered, dynamic=True)
    for size, rows, degree in (("launch-bound", 1024, 8), ("in the L2 cache", 32_768, 16), ("beyond the L2 cache", 1_000_000, 16)):
        for kind, graph in (("regular", regular(rows, degree, device)), ("power law", power_law(rows, rows, rows * degree, device=device))):
            edges, row, col = rows * degree, graph.rows.row_E.long(), graph.rows.col_E.long()
            x, gradient = torch.randn(2, rows, FEATURES, device=device)
            weight = torch.rand(edges, device=device)
            matrix = torch.sparse_csr_tensor(graph.rows.ptr_N1, graph.rows.col_E, weight, (rows, rows))
            ways: dict[str, Callable[[Tensor], Tensor]] = {
                "torch.sparse (cuSPARSE)": lambda x, matrix=matrix: torch.sparse.mm(matrix, x),
                "eager gather and index_add": lambda x, w=weight, r=row, c=col: _scattered(x, w, r, c),
                "compiled gather and index_add": lambda x, w=weight, r=row, c=col: compiled(x, w, r, c),
            }
            ours = {
                name: (lambda x, graph=graph, weight=weight, name=name: csr_spmm(graph, x, weight, strategy=name))
                for name in ("auto", *STRATEGIES)
            }
            moved = 8 * edges + 4 * (rows + 1) + 4 * FEATURES * (len(col.unique()) + rows)
            peers = ways | {f"ours, strategy {name}": ours[name] for name in STRATEGIES}
            yield Case(
                f"{kind}, {size}",
                moved,
                lambda run=ours["auto"], x=x: run(x),
                {name: (lambda run=run, x=x: run(x)) for name, run in peers.items()},
            )
            learned = x.clone().requires_grad_()
            yield Case(
                f"{kind}, {size}, with backward",
                2 * moved,
                _with_backward(ours["auto"], learned, gradient),
                {name: _with_backward(run, learned, gradient) for name, run in ways.items()},
            )


def power_law_degrees(rows: int, edges: int) -> Tensor:
    """Degrees that fall with rank to the power -2/3, as those of `power_law` do on average; rows shuffled by a fixed seed."""
    share_N1 = (torch.arange(rows + 1, dtype=torch.float64) / rows) ** (1 / 3)
    return (edges * share_N1).round().long().diff()[torch.randperm(rows, generator=torch.Generator().manual_seed(0))]


def balance(rows: int = 32_768, degree: int = 16) -> list[dict[str, Any]]:
    """One row per graph and strategy: tiles, the work of the longest tile and of the mean one, and tiles by powers of two of work.

    Work of a tile: its edges and the rows that it touches, of which it stores each or hands on a part.
    """
    graphs = {"power law": power_law_degrees(rows, rows * degree), "regular": torch.full((rows,), degree)}
    out = []
    for graph, degree_N in graphs.items():
        ptr_N1 = torch.cat([degree_N.new_zeros(1), degree_N.cumsum(0)]).int()
        cut = Rows(ptr_N1, torch.empty(0, dtype=torch.int32))
        for name in STRATEGIES:
            tiles_T8 = cut.plan(name).tiles_T8.long()
            work_T = tiles_T8[:, 3] - tiles_T8[:, 2] + tiles_T8[:, 1] - tiles_T8[:, 0] + 1
            told = {"tiles": len(work_T), "longest": int(work_T.max()), "mean": round(float(work_T.double().mean()), 3)}
            out.append({"graph": graph, "strategy": name, **told, "by_power": histogram(work_T).tolist()})
    return out
