"""csr_spmm: messages along the edges of a graph, summed, averaged or maximised per row, with gradients and a choice of load balancing.

Shapes: N rows (targets), M columns (sources), E edges, D features.  fp32 runs on the kernel, other formats on the reference.
All strategies are deterministic: parts of a row that lie in several tiles are added in their order, without atomics.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.library import custom_op

from kernels.checked import checked, plain_name
from kernels.csr_spmm.graph import AUTO, STRATEGIES, Graph, Rows
from kernels.kernel import Kernel, Runner
from kernels.launch import KERNEL_PATH
from kernels.transforms import differentiable

REDUCTIONS = ("sum", "mean", "max")
WARPS, THREADS, FOLD_THREADS = 4, 128, 256
SUM, MAX, PICKED = 0, 1, 2


def csr_spmm(graph: Graph, x_MD: Tensor, weight_E: Tensor | None = None, *, reduce: str = "sum", strategy: str = AUTO) -> Tensor:
    """out_ND[i] = sum, mean or largest of weight_e * x[col_e] over the edges e of row i; 0 for a row without edges.

    Differentiable once, in `x_MD` and `weight_E`; of a maximum, the gradient goes to one edge, the lowest of equal ones.
    Under forward-mode differentiation and the transforms of torch.func plain torch runs, with derivatives of any order.
    A NaN is the largest of all.  Raises ValueError on what does not fit.
    """
    return _called(graph, x_MD, weight_E, reduce, strategy)[0]


def csr_max(graph: Graph, x_MD: Tensor, weight_E: Tensor | None = None, *, strategy: str = AUTO) -> tuple[Tensor, Tensor]:
    """The maximum, and the edge that it is from (int32, N x D; -1 in a row without edges)."""
    return _called(graph, x_MD, weight_E, "max", strategy)


def _called(graph: Graph, x: Tensor, weight: Tensor | None, reduce: str, strategy: str) -> tuple[Tensor, Tensor]:
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce={reduce} is not known; allowed are {', '.join(REDUCTIONS)}.")
    if strategy != AUTO and strategy not in STRATEGIES:
        raise ValueError(f"strategy={strategy} is not known; allowed are {AUTO}, {', '.join(STRATEGIES)}.")
    if x.ndim != 2 or x.shape[0] != graph.sources:
        raise ValueError(f"x has shape {tuple(x.shape)}; the graph needs {graph.sources} rows of features.")
    if weight is not None and (weight.shape != graph.rows.col_E.shape or weight.dtype != x.dtype):
        raise ValueError(f"Weights must be {len(graph.rows.col_E)} numbers of {x.dtype}, one for each edge.")
    if graph.rows.col_E.device != x.device or (weight is not None and weight.device != x.device):
        raise ValueError(f"x is on {x.device}; the graph, on {graph.rows.col_E.device}, and the weights must be there too.")
    return differentiable(KERNEL, _operation, _plain, x, weight, graph, reduce, strategy)


def _operation(x: Tensor, weight: Tensor | None, graph: Graph, reduce: str, strategy: str) -> tuple[Tensor, Tensor]:
    planned = KERNEL_PATH.choose(KERNEL, x.device, _why_not(x)) is not None
    back = torch.is_grad_enabled() and x.requires_grad
    rows, slots = _tables(graph.rows, strategy, planned)
    transpose, back_slots = _tables(graph.transpose, strategy, planned) if back else ([], 0)
    return forward_op(x, weight, rows, transpose, [slots, back_slots], reduce)


def _plain(x: Tensor, weight: Tensor | None, graph: Graph, reduce: str, _: str) -> tuple[Tensor, Tensor]:
    return reference(x, weight, graph.rows.ptr_N1, graph.rows.col_E, graph.rows.row_E, reduce)


def _why_not(x: Tensor) -> str:
    return "" if x.dtype == torch.float32 else f"it takes features in float32, and was given {plain_name(x.dtype)}"


def _tables(rows: Rows, strategy: str, planned: bool) -> tuple[list[Tensor], int]:
    """Offsets, columns, rows or edge numbers, tiles, shared rows; and how many slots.  The reference needs no tiles."""
    third = rows.row_E if rows.edge_E is None else rows.edge_E
    if not planned:
        return [rows.ptr_N1, rows.col_E, third, *(rows.ptr_N1.new_empty(0, n) for n in (8, 4))], 0
    plan = rows.plan(strategy)
    return [rows.ptr_N1, rows.col_E, third, plan.tiles_T8, plan.shared_R4], plan.slots


# -- the reference: plain torch, any format, also on a GPU ---------------------------------------------


def reference(x_MD: Tensor, weight_E: Tensor | None, ptr_N1: Tensor, col_E: Tensor, row_E: Tensor, reduce: str) -> tuple[Tensor, Tensor]:
    """-> out_ND, and the winning edge of each number (N x D for max, else empty)."""
    rows, none = len(ptr_N1) - 1, ptr_N1.new_empty(0)
    message_ED = x_MD.index_select(0, col_E)
    if weight_E is not None:
        message_ED = message_ED * weight_E[:, None]
    if reduce != "max":
        out_ND = message_ED.new_zeros(rows, x_MD.shape[1]).index_add(0, row_E, message_ED)
        return (out_ND / _degree(ptr_N1, x_MD.dtype)[:, None] if reduce == "mean" else out_ND), none
    winner_ND = _winners(message_ED.detach(), ptr_N1, row_E)
    empty_N1 = (ptr_N1.diff() == 0)[:, None]
    if not len(col_E):
        return message_ED.new_zeros(rows, x_MD.shape[1]), winner_ND
    out_ND = message_ED.gather(0, winner_ND.clamp(min=0).long())  # the derivative of a maximum is that of one edge
    return out_ND.masked_fill(empty_N1, 0.0), winner_ND


def _winners(message_ED: Tensor, ptr_N1: Tensor, row_E: Tensor) -> Tensor:
    """The lowest edge of each row that holds the row's maximum, a NaN being the largest -> int32 (N, D); -1 in rows without edges."""
    rows, edges = len(ptr_N1) - 1, len(row_E)
    row_ED = row_E.long()[:, None].expand_as(message_ED)
    most_ND = message_ED.new_full((rows, message_ED.shape[1]), -torch.inf).scatter_reduce(0, row_ED, message_ED, "amax")
    best_ED = most_ND.index_select(0, row_E)
    wins_ED = (message_ED == best_ED) | (message_ED.isnan() & best_ED.isnan())
    number_ED = torch.arange(edges, device=row_E.device)[:, None].where(wins_ED, edges)
    winner_ND = torch.full_like(most_ND, edges, dtype=torch.int64).scatter_reduce(0, row_ED, number_ED, "amin")
    return winner_ND.masked_fill((ptr_N1.diff() == 0)[:, None], -1).int()


def reference_gradient(
    gradient_ND: Tensor, x_MD: Tensor, weight_E: Tensor | None, winner_ND: Tensor, ptr_N1: Tensor, col_E: Tensor, row_E: Tensor, reduce: str
) -> tuple[Tensor, Tensor]:
    """-> gradients of x_MD and of weight_E.

    sum: dx[col_e] += w_e g[row_e] and dw_e = g[row_e] . x[col_e]; mean: the same of g / degree; max: of the winner alone.
    """
    weight_E = x_MD.new_ones(len(col_E)) if weight_E is None else weight_E
    if reduce != "max":
        g_ED = (gradient_ND / _degree(ptr_N1, gradient_ND.dtype)[:, None] if reduce == "mean" else gradient_ND).index_select(0, row_E)
        dx_MD = g_ED.new_zeros(x_MD.shape).index_add(0, col_E, g_ED * weight_E[:, None])
        return dx_MD, (g_ED * x_MD.index_select(0, col_E)).sum(1)
    row_M, feature_M = (winner_ND >= 0).nonzero(as_tuple=True)
    edge_M, g_M = winner_ND[row_M, feature_M].long(), gradient_ND[row_M, feature_M]
    source_M = col_E[edge_M].long()
    dx_MD = g_M.new_zeros(x_MD.shape).index_put((source_M, feature_M), g_M * weight_E[edge_M], accumulate=True)
    return dx_MD, g_M.new_zeros(weight_E.shape).index_add(0, edge_M, g_M * x_MD[source_M, feature_M])


def _degree(ptr_N1: Tensor, dtype: torch.dtype) -> Tensor:
    """At least 1: a row without edges stays 0."""
    return ptr_N1.diff().clamp(min=1).to(dtype)


# -- the kernel ----------------------------------------------------------------------------------------


def _lanes(width: int) -> int:
    """Lanes of a warp that share one edge: four features each, a power of two."""
    return min(32, 1 << max(0, -(-width // 4) - 1).bit_length())


def _vector(width: int, *tensors: Tensor | None) -> bool:
    return width % 4 == 0 and all(t is None or t.data_ptr() % 16 == 0 for t in tensors)


def _checked_tables(tables: list[Tensor], device: torch.device) -> list[Tensor]:
    edges = tables[1].shape
    shapes = {"offsets": (None,), "columns": (None,), "rows or edge numbers": edges, "tiles": (None, 8), "shared rows": (None, 4)}
    return [checked("csr_spmm", name, t, torch.int32, device, shapes[name]) for name, t in zip(shapes, tables, strict=True)]


def gather(
    runner: Runner, kind: int, tables: list[Tensor], slots: int, x: Tensor, *, edge: Tensor | None = None, weight: Tensor | None = None,
    scale: Tensor | None = None, picked: Tensor | None = None, mean: bool = False, work: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Reduce rows of x along one direction of a graph: one launch, and one more where tiles share rows.

    Raises ValueError on what does not fit; the numbers of a graph's tables were checked when it was made."""
    device = runner.device
    ptr, col, _, tiles, shared = _checked_tables(tables, device)
    x = checked("csr_spmm", "x", x, torch.float32, device, (None, None))
    rows, width, formats = len(ptr) - 1, x.shape[1], {"weight": torch.float32, "scale": torch.float32}
    shapes = {"edge": col.shape, "weight": col.shape, "scale": x.shape[:1], "picked": x.shape, "work": tiles.shape[:1]}
    edge, weight, scale, picked, work = (
        t if t is None else checked("csr_spmm", name, t, formats.get(name, torch.int32), device, shapes[name], in_place=name == "work")
        for name, t in zip(shapes, (edge, weight, scale, picked, work), strict=True)
    )
    out = torch.empty(rows, width, device=x.device)
    winner = torch.empty((rows, width) if kind == MAX else 0, dtype=torch.int32, device=x.device)
    if not out.numel():
        return out, winner
    partial = torch.empty(slots, width, device=x.device)
    partial_edge = torch.empty((slots, width) if kind == MAX else 0, dtype=torch.int32, device=x.device)
    lanes, vector = _lanes(width), _vector(width, x, picked)
    grid = -(-len(tiles) // WARPS), -(-width // (4 * lanes)), 1
    given = [ptr, col, edge, weight, scale, x, picked, width, lanes, int(mean)]
    entry = f"csr_spmm<{kind}, {'true' if vector else 'false'}>"
    runner.launch(KERNEL, entry, grid, THREADS, [tiles, len(tiles), *given, out, winner, partial, partial_edge, work])
    if slots:
        grid = len(shared), -(-width // 32), 1
        entry = f"csr_fold<{int(kind == MAX)}>"
        runner.launch(KERNEL, entry, grid, FOLD_THREADS, [shared, ptr, partial, partial_edge, width, int(mean), out, winner])
    return out, winner


def edge_gradient(runner: Runner, tables: list[Tensor], gradient: Tensor, x: Tensor, winner: Tensor | None, scale: Tensor | None) -> Tensor:
    """The gradient of each edge's weight.  Raises ValueError on what does not fit."""
    device, width = runner.device, x.shape[-1]
    ptr, col, row, _, _ = _checked_tables(tables, device)
    rows = len(ptr) - 1
    x = checked("csr_spmm", "x", x, torch.float32, device, (None, None))
    gradient = checked("csr_spmm", "gradient", gradient, torch.float32, device, (rows, width))
    winner = None if winner is None else checked("csr_spmm", "winner", winner, torch.int32, device, (rows, width))
    scale = None if scale is None else checked("csr_spmm", "scale", scale, torch.float32, device, (rows,))
    out = torch.zeros(len(col), device=x.device)
    if len(col) and width:
        vector = _vector(width, gradient, x, winner)
        entry = f"csr_edge_gradient<{'true' if winner is not None else 'false'}>"
        given = [row, col, gradient, x, winner, scale, len(col), width, _lanes(width), int(vector)]
        runner.launch(KERNEL, entry, -(-len(col) // THREADS), THREADS, [*given, out])
    return out


def gradients(
    runner: Runner, gradient: Tensor, x: Tensor | None, weight: Tensor | None, winner: Tensor, rows: list[Tensor],
    transpose: list[Tensor], slots: int, reduce: str,
) -> tuple[Tensor | None, Tensor | None]:  # fmt: skip
    """Of x where there is a transpose, of the weights where there is x."""
    scale = 1.0 / _degree(rows[0], torch.float32) if reduce == "mean" else None
    picked = winner if reduce == "max" else None
    dx = dw = None
    if transpose:
        kind = PICKED if reduce == "max" else SUM
        dx, _ = gather(runner, kind, transpose, slots, gradient, edge=transpose[2], weight=weight, scale=scale, picked=picked)
    if x is not None:
        dw = edge_gradient(runner, rows, gradient, x, picked, scale)
    return dx, dw


# -- the operation: what autograd and torch.compile see --------------------------------------------------


@custom_op("faultline::csr_spmm", mutates_args=())
def forward_op(
    x: Tensor, weight: Tensor | None, rows: list[Tensor], transpose: list[Tensor], slots: list[int], reduce: str
) -> tuple[Tensor, Tensor]:
    """-> out, and the winning edges of a maximum.  `rows` and `transpose` as `_tables` tells them; `slots` of each."""
    kind = MAX if reduce == "max" else SUM

    def launched(runner: Runner) -> tuple[Tensor, Tensor]:
        return gather(runner, kind, rows, slots[0], x, weight=weight, mean=reduce == "mean")

    return KERNEL_PATH.run(KERNEL, x.device, _why_not(x), launched, lambda: reference(x, weight, *rows[:3], reduce))


@forward_op.register_fake
def _(x: Tensor, weight: Tensor | None, rows: list[Tensor], transpose: list[Tensor], slots: list[int], reduce: str):
    shape = rows[0].shape[0] - 1, x.shape[1]
    return x.new_empty(shape), x.new_empty(shape if reduce == "max" else 0, dtype=torch.int32)


@custom_op("faultline::csr_spmm_gradient", mutates_args=())
def backward_op(
    gradient: Tensor, x: Tensor, weight: Tensor | None, winner: Tensor, rows: list[Tensor], transpose: list[Tensor], slots: list[int],
    reduce: str, need_x: bool, need_weight: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Gradients of x and of the weights; empty where they are not needed."""
    given = gradient, x if need_weight else None, weight, winner, rows, transpose if need_x else [], slots[1], reduce
    dx, dw = KERNEL_PATH.run(
        KERNEL, x.device, _why_not(x), lambda runner: gradients(runner, *given),
        lambda: reference_gradient(gradient, x, weight, winner, *rows[:3], reduce),
    )  # fmt: skip
    return (dx if need_x else x.new_empty(0)), (dw if need_weight else x.new_empty(0))


@backward_op.register_fake
def _(gradient, x, weight, winner, rows, transpose, slots, reduce, need_x, need_weight):
    return x.new_empty(x.shape if need_x else 0), x.new_empty(weight.shape if need_weight else 0)


def _remember(ctx, inputs, output) -> None:
    x, weight, rows, transpose, slots, reduce = inputs
    ctx.save_for_backward(x, weight, output[1], *rows, *transpose)
    ctx.count, ctx.slots, ctx.reduce = len(rows), slots, reduce
    ctx.mark_non_differentiable(output[1])


def _backward(ctx, gradient: Tensor, _: Tensor):
    x, weight, winner, *tables = ctx.saved_tensors
    rows, transpose = tables[: ctx.count], tables[ctx.count :]
    need_x, need_weight = ctx.needs_input_grad[0], ctx.needs_input_grad[1]
    given = gradient, x, weight, winner, rows, transpose, ctx.slots, ctx.reduce, need_x, need_weight
    dx, dw = differentiable(KERNEL, backward_op, _plain_gradient, *given)
    return dx if need_x else None, dw if need_weight else None, [None] * len(rows), [None] * len(transpose), None, None


def _plain_gradient(gradient, x, weight, winner, rows, _, __, reduce, *needed):
    return reference_gradient(gradient, x, weight, winner, *rows[:3], reduce)


forward_op.register_autograd(_backward, setup_context=_remember)


KERNEL = Kernel(
    name="csr_spmm",
    entries={
        **{f"csr_spmm<{kind}, {aligned}>": 72 for kind in (SUM, MAX, PICKED) for aligned in ("false", "true")},
        "csr_fold<0>": 32,
        "csr_fold<1>": 32,
        "csr_edge_gradient<false>": 80,
        "csr_edge_gradient<true>": 80,
    },
)
