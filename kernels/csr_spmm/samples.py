"""Samples of csr_spmm: graphs that are hard to balance, features of odd widths, and what float64 makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from kernels.csr_spmm.csr_spmm import MAX, REDUCTIONS, SUM, _tables, gather, gradients, reference, reference_gradient
from kernels.csr_spmm.graph import STRATEGIES, Graph
from kernels.kernel import Runner, Sample, Tensors


def power_law(rows: int, sources: int, edges: int, seed: int = 0, device: torch.device | str = "cpu") -> Graph:
    """Degree falls with rank to the power -2/3, so that the count of rows of a degree falls with its power -5/2; rows shuffled."""
    seeded = torch.Generator(device).manual_seed(seed)
    rank = (rows * torch.rand(edges, generator=seeded, device=device) ** 3).long().clamp(max=rows - 1)
    target = torch.randperm(rows, generator=seeded, device=device)[rank]
    return Graph.from_edges(target, torch.randint(sources, (edges,), generator=seeded, device=device), rows, sources)


def _star() -> Graph:
    """One row takes 700 edges of 40 sources, each many times; the others have none or a self loop."""
    loops = torch.arange(0, 40, 3)
    source = torch.cat([torch.arange(700) % 40, loops])
    return Graph.from_edges(torch.cat([torch.full((700,), 17), loops]), source, 40, 40)


def power_law_small() -> Graph:
    return power_law(61, 53, 600)


def power_law_tiny() -> Graph:
    return power_law(37, 29, 130, seed=1)


def rows_at_the_end() -> Graph:
    """Long stretches of rows without edges before, between and behind."""
    target = torch.tensor([60] * 40 + [61] * 3 + [130] * 33)
    return Graph.from_edges(target, torch.arange(76) % 11, 201, 11)


def _empty(rows: int, sources: int) -> Callable[[], Graph]:
    none = torch.empty(0, dtype=torch.int64)
    return lambda: Graph.from_edges(none, none, rows, sources)


def _sample(
    name: str, make: Callable[[], Graph], width: int, reduce: str, strategy: str, *, weighted: bool = True, planted: bool = False,
    offset: int = 0,
) -> Sample:  # fmt: skip
    def data() -> tuple[Graph, Tensor, Tensor | None, Tensor]:
        graph, seeded = make(), torch.Generator().manual_seed(width)
        x = torch.randn(graph.sources * width, generator=seeded)
        weight = torch.randn(len(graph.rows.col_E), generator=seeded) if weighted else None
        if planted:
            x[3], x[5 * width], x[8 * width - 1] = float("nan"), float("inf"), -float("inf")
        return graph, x, weight, torch.randn(graph.targets, width, generator=seeded)

    def run(runner: Runner) -> Tensors:
        graph, x, weight, gradient = data()
        there = graph.to(runner.device)
        moved = torch.empty(len(x) + offset, device=runner.device)[offset:].copy_(x).view(graph.sources, width)
        weight, gradient = None if weight is None else weight.to(runner.device), gradient.to(runner.device)
        rows, slots = _tables(there.rows, strategy, True)
        transpose, back_slots = _tables(there.transpose, strategy, True)
        work = torch.full_like(rows[3][:, 0], -1)
        kind = MAX if reduce == "max" else SUM
        out, winner = gather(runner, kind, rows, slots, moved, weight=weight, mean=reduce == "mean", work=work)
        dx, dw = gradients(runner, gradient, moved, weight, winner, rows, transpose, back_slots, reduce)
        outputs = {"out": out, "dx": dx, "dw": dw, "winner": winner, "work": work if out.numel() else work[:0]}
        return {name: value.cpu() for name, value in outputs.items()}

    def expected() -> Tensors:
        graph, x, weight, gradient = data()
        rows = graph.rows
        wide = x.double().view(graph.sources, width), None if weight is None else weight.double()
        out, winner = reference(*wide, rows.ptr_N1, rows.col_E, rows.row_E, reduce)
        dx, dw = reference_gradient(gradient.double(), *wide, winner, rows.ptr_N1, rows.col_E, rows.row_E, reduce)
        work = rows.plan(strategy).work_T
        return {"out": out, "dx": dx, "dw": dw, "winner": winner, "work": work if out.numel() else work[:0]}

    return Sample(f"{name}: {reduce}, {strategy}, width {width}", run, expected, 2e-5, 2e-5, exact=("winner", "work"))


def samples() -> Iterator[Sample]:
    for strategy in STRATEGIES:
        yield _sample("a power law", power_law_small, 7, "sum", strategy)
        yield _sample("a power law without weights", power_law_small, 12, "mean", strategy, weighted=False)
        yield _sample("a power law", power_law_small, 13, "max", strategy)
        yield _sample("a hub with self loops and duplicate edges", _star, 8, "max", strategy, weighted=False)
        yield _sample("rows without edges before, between and behind", rows_at_the_end, 5, "mean", strategy)
    for width, reduce in zip((1, 2, 3, 4, 17, 31, 33, 64, 67, 131, 132), 4 * REDUCTIONS, strict=False):
        yield _sample("odd, prime and even widths", power_law_tiny, width, reduce, "merge")
    for reduce in REDUCTIONS:
        yield _sample("NaN and infinities planted", power_law_tiny, 9, reduce, "edge", planted=True)
        yield _sample("rows off a 16-byte boundary", power_law_tiny, 36, reduce, "split", offset=1)
        yield _sample("no edges", _empty(5, 3), 4, reduce, "merge")
    yield _sample("no features", power_law_tiny, 0, "sum", "node")
    yield _sample("no rows", _empty(0, 3), 3, "mean", "edge")
    yield _sample("no sources", _empty(3, 0), 3, "max", "hierarchical")
