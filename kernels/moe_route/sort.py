"""The stable sort of a router's assignments by expert, and the rows of the tokens put into that order and back.

Its kernels stand in moe_route.cu.  Gradients of both moves gather as well: nothing is added to memory by many threads at once,
so the same batch gives the same bits, without the sort that torch's deterministic scatter needs.
Shapes: T tokens, D width, E experts (at most 256), k experts per token, A = T k assignments.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels.checked import checked
from kernels.kernel import Runner
from kernels.launch import KERNEL_PATH
from kernels.moe_route.moe_route import KERNEL, MOST_EXPERTS, THREADS, TILE
from kernels.transforms import differentiable


class Order(NamedTuple):
    """`starts_E1`: where each expert's rows begin, and their number at the end.  `to_A`: the row of assignment a; `from_A`: its inverse."""

    starts_E1: Tensor
    to_A: Tensor
    from_A: Tensor


def moe_sort(chosen_Tk: Tensor, experts: int) -> Order:
    """Assignments in the order of their experts, equal ones in their own order, by counting: nothing is compared."""
    return differentiable(KERNEL, _sorted, sort_reference, chosen_Tk, experts)


def _sorted(chosen_Tk: Tensor, experts: int) -> Order:
    why = "" if experts <= MOST_EXPERTS else f"it sorts at most {MOST_EXPERTS} experts, and there are {experts}"
    given = chosen_Tk, experts
    return KERNEL_PATH.run(KERNEL, chosen_Tk.device, why, lambda runner: sort_on(runner, *given), lambda: sort_reference(*given))


def sort_reference(chosen_Tk: Tensor, experts: int) -> Order:
    flat_A = chosen_Tk.flatten()
    from_A = flat_A.argsort(stable=True)
    starts = torch.searchsorted(flat_A[from_A], torch.arange(experts + 1, device=flat_A.device))
    return Order(starts, from_A.argsort(), from_A)


def sort_on(runner: Runner, chosen_Tk: Tensor, experts: int) -> Order:
    """Three launches: count, scan, place.  Raises ValueError on what does not fit; the experts' numbers are not looked at."""
    if not 1 <= experts <= MOST_EXPERTS:
        raise ValueError(f"{experts} experts were to be sorted; the kernel sorts 1 to {MOST_EXPERTS}.")
    flat_A = checked("moe_route", "chosen_Tk", chosen_Tk, torch.int64, runner.device, (None, None)).flatten()
    tiles, device = -(-len(flat_A) // TILE), runner.device
    starts = torch.zeros(experts + 1, dtype=torch.int64, device=device)
    to_A, from_A = torch.empty_like(flat_A), torch.empty_like(flat_A)
    if tiles:
        counts = torch.empty(tiles, experts, dtype=torch.int32, device=device)
        runner.launch(KERNEL, "sort_count", tiles, THREADS, [flat_A, len(flat_A), experts, counts])
        runner.launch(KERNEL, "sort_scan", 1, THREADS, [counts, tiles, experts, starts])
        runner.launch(KERNEL, "sort_place", tiles, THREADS, [flat_A, len(flat_A), experts, counts, to_A, from_A])
    return Order(starts, to_A, from_A)


def _permuted(x_TD: Tensor, _: Tensor, from_A: Tensor, k: int) -> Tensor:
    return x_TD.index_select(0, from_A if k == 1 else from_A // k)


def _restored(y_AD: Tensor, to_A: Tensor, _: Tensor) -> Tensor:
    return y_AD.index_select(0, to_A)


class _Permute(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_TD: Tensor, to_A: Tensor, from_A: Tensor, k: int) -> Tensor:
        ctx.save_for_backward(to_A)
        ctx.k = k
        return _permuted(x_TD, to_A, from_A, k)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_AD: Tensor) -> tuple:
        d_TkD = d_AD.index_select(0, ctx.saved_tensors[0]).view(-1, ctx.k, d_AD.shape[1])
        return d_TkD.sum(dim=1), None, None, None


class _Restore(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y_AD: Tensor, to_A: Tensor, from_A: Tensor) -> Tensor:
        ctx.save_for_backward(from_A)
        return _restored(y_AD, to_A, from_A)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_AD: Tensor) -> tuple:
        return d_AD.index_select(0, ctx.saved_tensors[0]), None, None


def permute(x_TD: Tensor, order: Order, k: int) -> Tensor:
    """The rows of x, each k times, in the order of their experts -> (A, D)."""
    return differentiable(KERNEL, _Permute.apply, _permuted, x_TD, order.to_A, order.from_A, k)


def restore(y_AD: Tensor, order: Order) -> Tensor:
    """The inverse of that order: rows by token again, k for each -> (A, D)."""
    return differentiable(KERNEL, _Restore.apply, _restored, y_AD, order.to_A, order.from_A)


def unpermute(y_AD: Tensor, weights_Tk: Tensor, order: Order) -> Tensor:
    """Each token's k results, weighted and added -> (T, D)."""
    y_TkD = restore(y_AD, order).view(*weights_Tk.shape, -1)
    return (y_TkD * weights_Tk.unsqueeze(-1).to(y_AD.dtype)).sum(dim=1)
