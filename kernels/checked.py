"""The one check of a tensor before its pointer goes out to a kernel: number format, device, shape, and numbers that lie side by side.

A kernel trusts its pointers: a wrong one reads numbers as others, or memory that is not its own, without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

Formats = torch.dtype | Collection[torch.dtype]


def checked(
    kernel: str,
    name: str,
    tensor: Tensor,
    dtype: Formats,
    device: torch.device,
    shape: Sequence[int | None] | None = None,
    *,
    in_place: bool = False,
) -> Tensor:
    """The tensor, with its numbers side by side in memory: a copy where they were not, and for `in_place` never a copy.

    `dtype`: the format, or those allowed.  `shape`: None stands for any size, and in the place of all sizes for any shape.
    Raises ValueError, in one sentence, on another format, device, shape or (`in_place`) order in memory.
    """
    formats = (dtype,) if isinstance(dtype, torch.dtype) else tuple(dtype)
    fits = tensor.dtype in formats and tensor.device == device and tensor.layout == torch.strided and _matches(tensor, shape)
    if not fits or (in_place and not (tensor.is_contiguous() and not tensor.is_neg())):
        side = ", in place and side by side" if in_place else ""
        wanted = f"{' or '.join(map(plain_name, formats))} {'of any shape' if shape is None else _sizes(shape)} on {device}{side}"
        raise ValueError(
            f"The kernel {kernel} got {name} as {described(tensor)}; it takes {wanted}; convert it, or run with kernels=reference."
        )
    return tensor.resolve_neg().contiguous()


def plain_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def described(tensor: Tensor) -> str:
    """Format, shape, device, and whether the numbers lie side by side, in words."""
    order = "" if tensor.layout == torch.strided and tensor.is_contiguous() else ", not side by side"
    return f"{plain_name(tensor.dtype)} {_sizes(tensor.shape)} on {tensor.device}{order}"


def _sizes(shape: Sequence[int | None]) -> str:
    return f"({' × '.join('any' if size is None else str(size) for size in shape)})"


def _matches(tensor: Tensor, shape: Sequence[int | None] | None) -> bool:
    if shape is None:
        return True
    return tensor.ndim == len(shape) and all(size is None or size == given for size, given in zip(shape, tensor.shape, strict=True))
