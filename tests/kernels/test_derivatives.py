"""No derivative is lost in a kernel's operation: forward mode, transforms of torch.func and both together agree with float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from engine.labs.diffusion.models.tangent import jvp
from engine.labs.moe.models.router_scores import route
from kernels.csr_spmm import csr_spmm as csr
from kernels.csr_spmm.samples import power_law_tiny
from kernels.launch import KERNEL_PATH
from kernels.moe_route import moe_route as moe
from kernels.moe_route.sort import moe_sort, permute, restore
from kernels.sinkhorn import sinkhorn as sink

GRAPH = power_law_tiny()
EDGES = len(GRAPH.rows.col_E)
WEIGHT = torch.linspace(-1.0, 2.0, EDGES, dtype=torch.float64)
BIAS = torch.tensor([0.3, -0.2, 0.0, 0.1, 0.0, -0.1, 0.2], dtype=torch.float64)
ROWS = GRAPH.rows.ptr_N1, GRAPH.rows.col_E, GRAPH.rows.row_E
Function = Callable[[Tensor], list[Tensor]]


def _routed(x: Tensor, call: Callable[..., Any], **how: bool) -> list[Tensor]:
    out = call(x, 2, BIAS.to(x.dtype), None, *how.values())
    return [t for t in out if t.is_floating_point()]


def _ours(x: Tensor, k: int, bias: Tensor, last: None, sigmoid: bool, renormalise: bool) -> moe.Routed:
    return moe.moe_route(x, k, bias_E=bias, last_T=last, sigmoid=sigmoid, renormalise=renormalise)


def _messages(reduce: str) -> tuple[Function, Function]:
    def plain(x: Tensor) -> list[Tensor]:
        return [csr.reference(x, WEIGHT, *ROWS, reduce)[0]]

    return lambda x: [csr.csr_spmm(GRAPH, x, WEIGHT.to(x.dtype), reduce=reduce, strategy="merge")], plain


def _moved(x: Tensor) -> list[Tensor]:
    order = moe_sort(torch.arange(2 * len(x)).view(-1, 2) % 3, 3)
    return [restore(permute(x, order, 2).square(), order)]


# what is differentiated -> ours, an independent plain version, the shape of x
CASES: dict[str, tuple[Function, Function, tuple[int, int]]] = {
    "softmax": (
        lambda x: _routed(x, _ours, sigmoid=False, renormalise=True),
        lambda x: _routed(x, moe.reference, sigmoid=False, renormalise=True),
        (9, 7),
    ),
    "sigmoid": (
        lambda x: _routed(x, _ours, sigmoid=True, renormalise=False),
        lambda x: _routed(x, moe.reference, sigmoid=True, renormalise=False),
        (9, 7),
    ),
    "sinkhorn": (lambda x: list(sink.sinkhorn(x, 3)), lambda x: list(sink.reference(x, 3)), (8, 5)),
    **{f"messages, {reduce}": (*_messages(reduce), (29, 3)) for reduce in csr.REDUCTIONS},
    "tokens moved": (_moved, lambda x: [x.square().repeat_interleave(2, 0)], (5, 4)),
}
TOUCHED = {  # the operation -> the case that goes through it; its gradient is gone through by the same
    "moe_route": "softmax",
    "sinkhorn": "sinkhorn",
    "csr_spmm": "messages, sum",
}


def point(shape: tuple[int, ...], dtype: torch.dtype, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def agree(results: list[Tensor], expected: list[Tensor], dtype: torch.dtype) -> None:
    exact = dtype == torch.float64
    assert len(results) == len(expected)
    for one, other in zip(results, expected, strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=1e-9 if exact else 2e-3, atol=1e-10 if exact else 2e-4)


@pytest.mark.parametrize("name", CASES)
def test_a_forward_derivative_is_that_of_plain_torch(name: str, dtype: torch.dtype) -> None:
    ours, plain, shape = CASES[name]
    x, along = point(shape, dtype), point(shape, dtype, 2)
    _, expected = torch.func.jvp(plain, (x.double(),), (along.double(),))
    assert all(bool(t.any()) for t in expected)
    agree(torch.func.jvp(ours, (x,), (along,))[1], expected, dtype)
    with forward_ad.dual_level():
        found = [forward_ad.unpack_dual(t).tangent for t in ours(forward_ad.make_dual(x, along))]
        agree(found, expected, dtype)


@pytest.mark.parametrize("name", CASES)
def test_reverse_and_stacked_derivatives_are_those_of_plain_torch(name: str, dtype: torch.dtype) -> None:
    ours, plain, shape = CASES[name]
    x = point(shape, dtype)
    agree(torch.func.jacrev(ours)(x), torch.func.jacfwd(plain)(x.double()), dtype)
    stacked = point((3, *shape), dtype, 3)
    each = [plain(one.double()) for one in stacked]
    agree(torch.func.vmap(ours)(stacked), [torch.stack(parts) for parts in zip(*each, strict=True)], dtype)


@pytest.mark.parametrize("name", ["softmax", "sinkhorn", "messages, sum", "messages, mean"])
def test_a_gradient_passes_on_what_its_own_input_carries(name: str, dtype: torch.dtype) -> None:
    """A backward pass is linear in the gradient that comes in: its derivative along another gradient is the backward of that one."""
    ours, _, shape = CASES[name]
    x = point(shape, dtype).requires_grad_()
    out = ours(x)[0]
    into, along = point(out.shape, dtype, 4), point(out.shape, dtype, 5)
    (expected,) = torch.autograd.grad(out, x, along, retain_graph=True)
    with forward_ad.dual_level():
        (found,) = torch.autograd.grad(out, x, forward_ad.make_dual(into, along), retain_graph=True)
        agree([forward_ad.unpack_dual(found).tangent], [expected], dtype)
    (both,) = torch.autograd.grad(out, x, torch.stack([into, along]), is_grads_batched=True)
    agree([both[1]], [expected], dtype)


def test_every_operation_of_ours_is_among_them() -> None:
    names = {name.partition("::")[2].partition(".")[0] for name in torch._C._dispatch_get_all_op_names() if name.startswith("faultline::")}
    forward = {name for name in names if not name.endswith(("_backward", "_gradient"))}
    assert forward == set(TOUCHED)
    assert {name for name in names if name not in forward} == {"moe_route_backward", "sinkhorn_backward", "csr_spmm_gradient"}
    assert set(TOUCHED.values()) <= set(CASES)


def test_the_router_of_the_lab_has_the_same_derivative_on_either_path(dtype: torch.dtype) -> None:
    x, along = point((9, 7), dtype), point((9, 7), dtype, 2)

    def weights(logits: Tensor) -> Tensor:
        return route(logits, 2, "sigmoid", BIAS.to(logits.dtype)).weights_Tk.square()

    def plain(logits: Tensor) -> Tensor:
        chosen = (logits.sigmoid() + BIAS).topk(2).indices
        return logits.sigmoid().gather(1, chosen).square()

    _, expected = torch.func.jvp(plain, (x.double(),), (along.double(),))
    agree([torch.func.jvp(weights, (x,), (along,))[1]], [expected], dtype)


class Gated(nn.Module):
    """A network over points and times whose middle is a router's operation."""

    def forward(self, y_BD: Tensor, t_B: Tensor) -> Tensor:
        return y_BD * moe.moe_route(y_BD * t_B[:, None], 2).scores_TE


def test_the_tangent_of_a_network_goes_through_an_operation(dtype: torch.dtype) -> None:
    y, dy, t = point((6, 4), dtype), point((6, 4), dtype, 2), torch.linspace(0.2, 1.0, 6).to(dtype)
    _, found = jvp(Gated(), y, t, dy, torch.ones_like(t))
    wide = [z.double() for z in (y, t, dy, torch.ones_like(t))]
    _, expected = torch.func.jvp(lambda a, b: a * (a * b[:, None]).softmax(1), tuple(wide[:2]), tuple(wide[2:]))
    agree([found], [expected], dtype)


def test_a_network_without_a_forward_derivative_is_refused() -> None:
    y, t = point((6, 4), torch.float64), torch.ones(6, dtype=torch.float64)
    with pytest.raises(ValueError, match="no forward derivative"):
        jvp(lambda y, t: (y * t[:, None]).detach(), y, t, y, t)


def test_the_record_says_that_plain_torch_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []
    monkeypatch.setattr(KERNEL_PATH, "refuse", lambda kernel, device, why: refused.append(f"{kernel.name}: {why}"))
    x = point((9, 7), torch.float32)
    torch.func.jvp(lambda z: moe.moe_route(z, 2).weights_Tk, (x,), (x,))
    assert [one.partition(":")[0] for one in refused] == ["moe_route"]
    assert "torch.func" in refused[0]
