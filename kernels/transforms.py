"""The one place that lets derivatives through a kernel's operation where the operation itself would lose them.

An operation of torch.library knows its gradient, and nothing of forward-mode differentiation or of torch.func's transforms: under
them it would give a tangent of zero without a word.  There the operation is its plain torch, which carries every derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from kernels.kernel import Kernel
from kernels.launch import KERNEL_PATH

WHY = "forward-mode differentiation and transforms of torch.func need plain torch"


def transformed(given: Iterable[Any]) -> bool:
    """Whether a transform of torch.func is active (jvp, vmap, grad …), or any tensor, also in lists, carries a forward-mode tangent or
    is one of the stacked gradients of `torch.autograd.grad(is_grads_batched=True)`."""
    return torch._C._functorch.maybe_current_level() is not None or any(map(_more_than_numbers, given))


def differentiable(kernel: Kernel, operation: Callable[..., Any], plain: Callable[..., Any], *given: Any) -> Any:
    """`operation(*given)`, or `plain(*given)` where `transformed`; which of them ran is recorded.  `given`: at least one tensor."""
    if not transformed(given):
        return operation(*given)
    KERNEL_PATH.refuse(kernel, next(one for one in given if isinstance(one, Tensor)).device, WHY)
    return plain(*given)


def _more_than_numbers(one: Any) -> bool:
    if isinstance(one, Tensor):
        if forward_ad._current_level >= 0 and forward_ad.unpack_dual(one).tangent is not None:
            return True
        return not torch.compiler.is_dynamo_compiling() and torch._C._functorch.is_legacy_batchedtensor(one)  # which it cannot trace
    return isinstance(one, (list, tuple)) and any(map(_more_than_numbers, one))
