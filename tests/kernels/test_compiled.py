"""torch.compile sees an operation of ours as one node, in the forward and in the backward graph, and a forward derivative through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from functorch.compile import make_boxed_func
from torch import Tensor, fx
from torch._dynamo.backends.common import aot_autograd

from kernels.moe_route.moe_route import moe_route


def weights(x: Tensor) -> Tensor:
    return moe_route(x, 2, renormalise=True).weights_Tk.square()


def test_a_compiled_function_calls_the_operation_and_its_gradient() -> None:
    called: list[str] = []

    def listed(graph: fx.GraphModule, _: Any) -> Callable[..., Any]:
        called.extend(str(node.target) for node in graph.graph.nodes if "faultline" in str(node.target))
        return make_boxed_func(graph.forward)

    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = x.detach().clone().requires_grad_()
    compiled = torch.compile(weights, backend=aot_autograd(fw_compiler=listed, bw_compiler=listed), fullgraph=True)
    compiled(x).sum().backward()
    weights(y).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    assert called == ["faultline.moe_route.default", "faultline.moe_route_backward.default"]


def test_a_compiled_forward_derivative_is_not_zero() -> None:
    x, along = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))

    def derivative(x: Tensor, along: Tensor) -> Tensor:
        return torch.func.jvp(weights, (x,), (along,))[1]

    expected = derivative(x, along)
    assert expected.abs().max() > 1e-2
    torch.testing.assert_close(torch.compile(derivative, backend="eager")(x, along), expected)
