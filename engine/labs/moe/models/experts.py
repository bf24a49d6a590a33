"""What every expert makes of its own rows: one grouped matrix product where torch has a fast one, a loop elsewhere.

Shapes: A rows sorted by expert, d width, n hidden units, E experts.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import gelu, grouped_mm, linear

FAST = (9, 0)  # compute capability from which torch brings a grouped kernel of its own; below, it loops as we do


def experts(x_AD: Tensor, weight_in: Tensor, weight_out: Tensor, counts_E: Tensor) -> Tensor:
    """W_out[e] gelu(W_in[e] x) of rows that lie sorted by expert, `counts_E` of them each -> (A, d).

    weight_in (E, n, d), weight_out (E, d, n).  The grouped product reads its counts on the device; the loop needs them on
    the host, which on a GPU is one synchronisation.
    """
    dtype = grouped_dtype(x_AD, weight_in)
    if dtype is not None:
        return in_groups(x_AD.to(dtype), weight_in.to(dtype), weight_out.to(dtype), counts_E)
    rows = x_AD.split(counts_E.tolist())
    weights = zip(rows, weight_in.unbind(), weight_out.unbind(), strict=True)
    return torch.cat([linear(gelu(linear(x, w_in)), w_out) for x, w_in, w_out in weights])


def in_groups(x_AD: Tensor, weight_in: Tensor, weight_out: Tensor, counts_E: Tensor) -> Tensor:
    """The same as two grouped products, all of one dtype."""
    ends_E = counts_E.cumsum(0).to(torch.int32)
    hidden_An = gelu(grouped_mm(x_AD, weight_in.transpose(-2, -1), offs=ends_E))
    return grouped_mm(hidden_An, weight_out.transpose(-2, -1), offs=ends_E)


def grouped_dtype(x_AD: Tensor, weight_in: Tensor) -> torch.dtype | None:
    """bfloat16 where the grouped product is fast for these operands, None where the loop is the better choice."""
    if x_AD.device.type != "cuda":
        return None
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x_AD.dtype
    _, hidden, width = weight_in.shape
    aligned = hidden % 8 == 0 and width % 8 == 0  # rows must begin at multiples of 16 bytes
    fast = dtype == torch.bfloat16 and aligned and torch.cuda.get_device_capability(x_AD.device) >= FAST
    return dtype if fast else None
