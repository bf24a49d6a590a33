"""The differentiable kernels as operators of torch: their gradients are those of autograd, and torch's own checks pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kernels.moe_route.moe_route import moe_route
from kernels.moe_route.moe_route import reference as route_reference
from kernels.moe_route.sort import moe_sort, permute, unpermute
from kernels.sinkhorn.sinkhorn import plan, sinkhorn
from kernels.sinkhorn.sinkhorn import reference as sinkhorn_reference

OPS = torch.ops.faultline


def normal(*shape: int, dtype: torch.dtype = torch.float64, grad: bool = True) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)
    return x.requires_grad_(grad)


def close(dtype: torch.dtype) -> dict[str, float]:
    return {"rtol": 1e-10, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-5}


@pytest.mark.parametrize("sigmoid", [False, True])
@pytest.mark.parametrize("renormalise", [False, True])
def test_the_gradient_of_a_router_is_that_of_autograd(dtype: torch.dtype, sigmoid: bool, renormalise: bool) -> None:
    ours, theirs = normal(19, 11, dtype=dtype), normal(19, 11, dtype=dtype).detach().double().requires_grad_()
    found = moe_route(ours, 3, sigmoid=sigmoid, renormalise=renormalise)
    told = route_reference(theirs, 3, None, None, sigmoid, renormalise)
    for out in ((found.scores_TE, found.weights_Tk, found.logsumexp_T), (told[0], told[2], told[3])):
        loss = sum((x.double() * torch.linspace(-1, 2, x.numel(), dtype=torch.float64).view(x.shape)).sum() for x in out)
        loss.backward()
    torch.testing.assert_close(ours.grad.double(), theirs.grad, **close(dtype))
    assert torch.equal(found.chosen_Tk, told[1])


def test_the_gradient_of_sinkhorn_is_that_of_autograd(dtype: torch.dtype) -> None:
    ours, theirs = normal(23, 7, dtype=dtype), normal(23, 7, dtype=dtype).detach().double().requires_grad_()
    cost = torch.linspace(-1, 1, 23 * 7, dtype=torch.float64).view(23, 7).square()
    (plan(ours, sinkhorn(ours, 5)).double() * cost).sum().backward()
    f, g, _ = sinkhorn_reference(theirs, 5)
    ((theirs + f[-1].unsqueeze(1) + g[-1]).exp() * cost).sum().backward()
    torch.testing.assert_close(ours.grad.double(), theirs.grad, **close(dtype))


def test_a_balanced_matrix_has_the_columns_it_should_and_errors_that_fall(dtype: torch.dtype) -> None:
    scores = normal(64, 8, dtype=dtype, grad=False) * 3
    balanced = sinkhorn(scores, 30)
    torch.testing.assert_close(plan(scores, balanced).sum(dim=0), torch.full((8,), 8.0, dtype=dtype), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(plan(scores, balanced).sum(dim=1), torch.ones(64, dtype=dtype), rtol=1e-3, atol=1e-3)
    assert balanced.errors_K[0] > 0.1 > balanced.errors_K[-1]
    assert (balanced.errors_K[1:8] < balanced.errors_K[:7]).all()


def test_assignments_are_sorted_by_expert_stably_and_come_back(dtype: torch.dtype) -> None:
    routed = moe_route(normal(301, 5, dtype=dtype, grad=False), 2)
    order = moe_sort(routed.chosen_Tk, 5)
    flat = routed.chosen_Tk.flatten()
    assert torch.equal(order.from_A, flat.argsort(stable=True))
    assert torch.equal(order.starts_E1.diff(), routed.counts_E)
    x = normal(301, 4, dtype=dtype, grad=False)
    y = unpermute(permute(x, order, 2), torch.full((301, 2), 0.5, dtype=dtype), order)
    torch.testing.assert_close(y, x)


def test_what_is_asked_of_them_is_checked() -> None:
    with pytest.raises(ValueError, match="k=9 experts of 8"):
        moe_route(normal(3, 8), 9)
    with pytest.raises(ValueError, match="0 iterations"):
        sinkhorn(normal(3, 8), 0)


def test_torch_s_own_checks_of_operators_pass() -> None:
    logits, scores = normal(9, 5, dtype=torch.float32), normal(6, 4, dtype=torch.float32)
    last = torch.tensor([-1, 0, 1, 2, 3, 4, 0, 1, 2])
    torch.library.opcheck(OPS.moe_route.default, (logits, 2, torch.zeros(5), last, False, True))
    torch.library.opcheck(OPS.sinkhorn.default, (scores, 3))
    f, g, _ = sinkhorn(scores.detach(), 3)
    torch.library.opcheck(OPS.sinkhorn_backward.default, (scores.detach(), f, g, torch.ones_like(f), torch.ones_like(g)))
    chosen = moe_route(logits.detach(), 2).chosen_Tk
    given = (logits.detach(), chosen, torch.ones(9, 5), torch.ones(9, 2), torch.ones(9), True, True)
    torch.library.opcheck(OPS.moe_route_backward.default, given)
