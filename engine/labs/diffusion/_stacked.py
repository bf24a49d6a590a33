"""Many runs of the lab `consistency` in one pass: its own loss, with the forward-mode derivative of torch.func.

torch.vmap has no rule for torch.autograd.forward_ad.make_dual, and torch.func.jvp does not give the same bits: so a single run keeps the
first, a stack takes the second, and the two agree to rounding (tests/labs/diffusion/test_stacked.py).

Shapes: N runs, B points, D coordinates.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from engine.labs.common import stacked
from engine.labs.diffusion.models import tangent
from engine.labs.stacking import Stacked

if TYPE_CHECKING:
    from engine.labs.lab import Lab


@torch.no_grad()
def jvp(function: tangent.Function, y_BD: Tensor, t_B: Tensor, along_y_BD: Tensor, along_t_B: Tensor) -> tuple[Tensor, Tensor]:
    """The same as `tangent.jvp`, for a pass over many runs; a derivative that nobody computed is 0 here."""
    with torch.autocast(y_BD.device.type, enabled=False):
        return torch.func.jvp(function, (y_BD, t_B), (along_y_BD, along_t_B))


@contextlib.contextmanager
def other_jvp() -> Iterator[None]:
    """The objectives take their derivative by `jvp` above."""
    before, tangent.jvp = tangent.jvp, jvp
    try:
        yield
    finally:
        tangent.jvp = before


def stacked_loss(lab: Lab, models: Sequence[nn.Module], leaves: Mapping[str, Tensor], batches: Mapping[str, Tensor], step: int) -> Stacked:
    """As engine.labs.stacking.Stacks asks for; the averaged weights take no part in a loss."""
    taking_part = {name: leaf for name, leaf in leaves.items() if not name.startswith("ema.")}
    with other_jvp():
        return stacked.stacked_loss(lab, models, taking_part, batches, step, kept=("record",))
