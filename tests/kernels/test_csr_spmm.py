"""Message passing: every cut of a graph visits each edge once, the operation agrees with a plain loop, its gradients with autograd."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.library import opcheck

from kernels.csr_spmm import csr_spmm as module
from kernels.csr_spmm.cases import balance, power_law_degrees
from kernels.csr_spmm.csr_spmm import REDUCTIONS, backward_op, csr_max, csr_spmm, forward_op
from kernels.csr_spmm.graph import STRATEGIES, Graph, Plan, Rows, best, histogram
from kernels.csr_spmm.samples import power_law
from kernels.emulator.emulator import Emulator
from kernels.launch import KERNEL_PATH


def plain(graph: Graph, x: Tensor, weight: Tensor | None, reduce: str) -> Tensor:
    """Row by row, in the format of x: independent of the reference, and autograd sees all of it."""
    out = []
    for i in range(graph.targets):
        begin, end = graph.rows.ptr_N1[i : i + 2].tolist()
        message = x[graph.rows.col_E[begin:end].long()]
        if weight is not None:
            message = message * weight[begin:end, None]
        if begin == end:
            out.append(x.new_zeros(x.shape[1]))
        else:
            out.append({"sum": message.sum(0), "mean": message.mean(0), "max": message.max(0).values}[reduce])
    return torch.stack(out)


def graph_of(seed: int) -> Graph:
    """43 rows, some empty, self loops and duplicate edges among 210."""
    return power_law(43, 43, 210, seed)


def data(graph: Graph, width: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    seeded = torch.Generator().manual_seed(width)
    shapes = (graph.sources, width), (len(graph.rows.col_E),), (graph.targets, width)
    x, weight, gradient = (torch.randn(shape, generator=seeded, dtype=torch.float64).to(dtype) for shape in shapes)
    return x.requires_grad_(), weight.requires_grad_(), gradient


def offsets(degrees: list[int]) -> Rows:
    degree = torch.tensor(degrees, dtype=torch.int64)
    return Rows(torch.cat([torch.zeros(1, dtype=torch.int64), degree.cumsum(0)]).int(), torch.zeros(sum(degrees), dtype=torch.int32))


def follow(plan: Plan, ptr: list[int]) -> tuple[list[int], list[int], dict[int, list[tuple[int, int]]]]:
    """Walks the tiles as the kernel does -> visits of each edge, stores of each row, the edges behind each slot."""
    visits, stores, slots = [0] * ptr[-1], [0] * (len(ptr) - 1), {}
    for first, last, begin, end, first_slot, last_slot, _, _ in plan.tiles_T8.tolist():
        for row in range(first, last + 1):
            lower, upper = max(ptr[row], begin), min(ptr[row + 1], end)
            for edge in range(lower, upper):
                visits[edge] += 1
            slot = first_slot if row == first else last_slot if row == last else -1
            if slot < 0:
                assert (lower, upper) == (ptr[row], ptr[row + 1]), "a part of a row would be stored as the whole"
                stores[row] += 1
            else:
                assert slot not in slots
                slots[slot] = [row, lower, upper]
    return visits, stores, slots


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "degrees",
    [[0] * 70, [1] * 100, [32] * 9, [0, 0, 31, 1, 0, 64, 0], [1000], [0] * 40 + [500, 3] + [0] * 99, [33, 31] * 20, [40] * 300, []],
    ids=["empty", "ones", "full tiles", "edges of tiles", "one row", "hub in a desert", "odd", "many above a level", "no rows"],
)
def test_every_cut_visits_each_edge_once_and_stores_each_row_once(strategy: str, degrees: list[int]) -> None:
    rows = offsets(degrees)
    plan, ptr = rows.plan(strategy), rows.ptr_N1.tolist()
    visits, stores, slots = follow(plan, ptr)
    assert set(visits) <= {1}
    assert sorted(slots) == list(range(plan.slots))
    for row, begin, end, _ in plan.shared_R4.tolist():
        parts = [slots[slot] for slot in range(begin, end)]
        assert {part[0] for part in parts} == {row}
        assert [part[1] for part in parts] == sorted(part[1] for part in parts), "slots are in the order of edges"
        assert sum(part[2] - part[1] for part in parts) == degrees[row]
        stores[row] += 1
    assert stores == [1] * len(degrees)
    assert int(plan.work_T.sum()) == sum(degrees)


def test_strategies_differ_in_what_they_are_for() -> None:
    rows = offsets([2000] + [2] * 500)
    longest = {name: int(rows.plan(name).work_T.max()) for name in STRATEGIES}
    assert longest["node"] == 2000, "the warp of the hub works alone"
    assert all(longest[name] <= 32 for name in STRATEGIES if name != "node")
    assert rows.plan("node").slots == 0, "and needs no second pass"
    assert histogram(rows.plan("node").work_T).tolist() == [0, 0, 500, *[0] * 8, 1]
    assert len(histogram(rows.plan("edge").work_T)) <= 7
    desert = offsets([0] * 5000 + [64] + [0] * 5000)
    span = {name: int((p.tiles_T8[:, 1] - p.tiles_T8[:, 0]).max()) + 1 for name in ("edge", "merge") if (p := desert.plan(name))}
    assert span["edge"] > 4000, "equal edges leave the empty rows to one tile"
    assert span["merge"] <= 33, "merge-path counts them"
    level = offsets([100] * 300).plan("hierarchical").tiles_T8
    assert level[:300, 0].tolist() == list(range(300)), "the first pieces of all rows come first"


@pytest.mark.parametrize(
    ("degrees", "strategy"),
    [
        ([0] * 9, "node"),
        ([16] * 1000, "node"),
        ([5000] + [40] * 100, "edge"),
        ([5000] + [2] * 3000, "merge"),
        ([5000] * 3 + [20] * 3000, "split"),
    ],
)
def test_auto_reads_the_degrees_and_says_why(degrees: list[int], strategy: str) -> None:
    plan = offsets(degrees).plan()
    assert plan.strategy == strategy
    assert plan.reason == best(offsets(degrees).degree_N)[1]
    assert plan.reason == "there are no edges" or str(max(degrees)) in plan.reason


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_the_reference_and_its_gradients_agree_with_a_plain_loop_in_float64(reduce: str, weighted: bool) -> None:
    graph = graph_of(3)
    x, weight, gradient = data(graph, 5)
    used, inputs = (weight, (x, weight)) if weighted else (None, (x,))
    if reduce == "max" and not weighted:  # duplicate edges tie; autograd of max(0) takes the first as we do
        assert len({tuple(e) for e in torch.stack([graph.rows.row_E, graph.rows.col_E]).T.tolist()}) < 210
    out, told = csr_spmm(graph, x, used, reduce=reduce), plain(graph, x, used, reduce)
    torch.testing.assert_close(out, told, rtol=1e-12, atol=1e-12)
    assert torch.equal(out[graph.rows.degree_N == 0], torch.zeros_like(out[graph.rows.degree_N == 0]))
    found = torch.autograd.grad(out, inputs, gradient)
    for mine, theirs in zip(found, torch.autograd.grad(told, inputs, gradient), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_the_operation_launches_the_kernel_with_the_same_gradients(
    reduce: str, strategy: str, cache: Path, host_compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Emulator(folder=cache)
    monkeypatch.setattr(KERNEL_PATH, "runner", lambda kernel, device: runner)
    graph = graph_of(4)
    x, weight, gradient = data(graph, 6, torch.float32)
    out = csr_spmm(graph, x, weight, reduce=reduce, strategy=strategy)
    dx, dw = torch.autograd.grad(out, (x, weight), gradient)
    wide = [t.detach().double().requires_grad_() for t in (x, weight)]
    told = plain(graph, *wide, reduce)
    for mine, theirs in zip((out, dx, dw), (told, *torch.autograd.grad(told, wide, gradient.double())), strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_the_operations_keep_the_rules_of_torch(reduce: str) -> None:
    graph = graph_of(5)
    x, weight, gradient = data(graph, 3, torch.float32)
    tables, back = (module._tables(rows, "merge", True)[0] for rows in (graph.rows, graph.transpose))
    opcheck(forward_op, (x, weight, tables, back, [1, 1], reduce))
    opcheck(forward_op, (x.detach(), None, tables, [], [1, 0], reduce))
    winner = forward_op(x, weight, tables, back, [1, 1], reduce)[1]
    opcheck(backward_op, (gradient, x.detach(), weight.detach(), winner, tables, back, [1, 1], reduce, True, True))


def test_the_maximum_tells_its_edge_and_hides_no_nan() -> None:
    graph = Graph(Rows(torch.tensor([0, 3, 3, 6], dtype=torch.int32), torch.tensor([0, 1, 1, 2, 0, 1], dtype=torch.int32)), 3)
    x = torch.tensor([[1.0, -torch.inf], [2.0, -torch.inf], [torch.nan, 0.0]])
    out, edge = csr_max(graph, x)
    torch.testing.assert_close(out, torch.tensor([[2.0, -torch.inf], [0.0, 0.0], [torch.nan, 0.0]]), equal_nan=True)
    assert edge.tolist() == [[1, 0], [-1, -1], [3, 3]]


def test_only_what_is_needed_is_computed_and_the_transpose_is_made_once() -> None:
    graph = graph_of(6)
    x, weight, gradient = data(graph, 2)
    csr_spmm(graph, x.detach(), weight).backward(gradient)
    assert "transpose" not in graph.__dict__, "gradients of weights need none"
    assert weight.grad is not None
    csr_spmm(graph, x).backward(gradient)
    made = graph.transpose
    csr_spmm(graph, x, reduce="mean").backward(gradient)
    assert graph.transpose is made
    assert torch.equal(made.edge_E.sort().values, torch.arange(210, dtype=torch.int32))


def test_edges_in_any_order_make_the_same_graph() -> None:
    target, source = torch.tensor([2, 0, 2, 1, 0]), torch.tensor([0, 1, 3, 2, 0])
    graph = Graph.from_edges(target, source, 4, 4)
    assert graph.rows.ptr_N1.tolist() == [0, 2, 3, 5, 5]
    assert graph.rows.col_E.tolist() == [1, 0, 2, 0, 3]
    assert torch.equal(target[graph.order_E], graph.rows.row_E.long())


def test_what_does_not_fit_is_refused_with_what_was_given() -> None:
    graph, x = graph_of(1), torch.zeros(43, 2)
    for call, message in (
        (lambda: csr_spmm(graph, x, reduce="median"), "median"),
        (lambda: csr_spmm(graph, x, strategy="thread"), "thread"),
        (lambda: csr_spmm(graph, x[:5]), "43 rows"),
        (lambda: csr_spmm(graph, x, torch.zeros(7)), "210 numbers"),
        (lambda: graph.rows.plan("thread"), "thread"),
        (lambda: Graph(Rows(graph.rows.ptr_N1, graph.rows.col_E), 9), "0 … 8"),
        (lambda: Graph(Rows(graph.rows.ptr_N1[:-3], graph.rows.col_E), 43), "rise from 0"),
        (lambda: Graph.from_edges(torch.tensor([5]), torch.tensor([0]), 3, 3), "0 … 2"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_the_recorded_balance_is_that_of_a_plain_count_of_every_tile() -> None:
    rows, degree = 300, 8
    told = {(row["graph"], row["strategy"]): row for row in balance(rows, degree)}
    assert set(told) == {(graph, name) for graph in ("power law", "regular") for name in STRATEGIES}
    degrees = power_law_degrees(rows, rows * degree).tolist()
    assert sum(degrees) == rows * degree
    assert max(degrees) > 20 * degree
    node = told["power law", "node"]
    assert (node["tiles"], node["longest"], node["mean"]) == (rows, max(degrees) + 1, degree + 1)
    assert node["by_power"] == [sum(2 ** (b - 1) <= d + 1 < 2**b for d in degrees) for b in range(len(node["by_power"]))]
    assert told["regular", "node"]["longest"] == degree + 1
    for row in told.values():
        assert sum(row["by_power"]) == row["tiles"]
        assert row["longest"] >= row["mean"]
    assert told["power law", "merge"]["longest"] <= 33, "32 rows and edges, and the row that it only begins"
