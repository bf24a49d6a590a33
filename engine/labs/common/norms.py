"""Norms of many tensors in few calls, and which layer a parameter belongs to.

On CUDA the kernel `tensor_stats` reads each tensor once for norms and non-finite counts together; elsewhere torch does.
Shapes: P parameters, L layers, M most parameters of one layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from kernels.tensor_stats import tensor_stats

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.probe import Step

MOST_LAYERS = 64
SMALLEST, LARGEST = 1e-15, 1e15  # beyond these the squares of fp32 numbers lose digits, are 0 or infinite


class Groups:
    """The norms of L groups out of P parts; a group is a list of places among the parts."""

    def __init__(self, members: Sequence[Sequence[int]], parts: int) -> None:
        longest = max((len(m) for m in members), default=0)
        self._index_LM = torch.tensor([[*m, *[parts] * (longest - len(m))] for m in members])  # P: a zero behind the norms

    def norms(self, norms_P: Tensor) -> Tensor:
        """-> (L,)"""
        self._index_LM = self._index_LM.to(norms_P.device)
        padded = torch.cat([norms_P, norms_P.new_zeros(1)])
        rows_LM = padded[self._index_LM]
        return _in_range(torch.linalg.vector_norm(rows_LM, dim=1), rows_LM)


class Layers:
    """Which parameters belong together.  A layer is the dotted name of the module that owns the parameter (at the root:
    of the parameter); where that makes more than 64 layers, names are cut to fewer parts until it does not."""

    def __init__(self, names: Iterable[str]) -> None:
        owners = [name.rpartition(".")[0] or name for name in names]
        depth = max((owner.count(".") + 1 for owner in owners), default=1)
        while True:
            members: dict[str, list[int]] = {}
            for index, owner in enumerate(owners):
                members.setdefault(".".join(owner.split(".")[:depth]), []).append(index)
            if len(members) <= MOST_LAYERS or depth == 1:
                break
            depth -= 1
        self.names = tuple(members)
        self._groups = Groups(list(members.values()), len(owners))

    def norms(self, norms_P: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Norm of each layer from those of its parameters, two device operations for all of them together."""
        return zip(self.names, self._groups.norms(norms_P).unbind(), strict=True)


def statistics(tensors: Sequence[Tensor]) -> tensor_stats.Stats | None:
    """What the kernel knows of the tensors after one launch, or None where plain torch measures (a CPU, a fallback)."""
    return tensor_stats.kernel_stats(tensors)


def norms(tensors: Sequence[Tensor | None], stats: tensor_stats.Stats | None = None) -> Tensor:
    """Euclidean norm of each tensor -> (P,) fp32; None counts as zeros.  `stats`: statistics of those that are not None."""
    present = [t for t in tensors if t is not None]
    if not present:
        return torch.zeros(len(tensors))
    stats = stats or statistics(present)
    if len(present) == len(tensors):
        return _plain(present) if stats is None else stats.norms_P
    found = iter((_plain(present) if stats is None else stats.norms_P).unbind())
    nothing = present[0].new_zeros((), dtype=torch.float32)
    return torch.stack([nothing if t is None else next(found) for t in tensors])


def _plain(tensors: Sequence[Tensor]) -> Tensor:
    """Norms by torch -> (P,) fp32."""
    return _in_range(torch.stack(torch._foreach_norm(tensors)).float(), tensors)


def _in_range(norms_P: Tensor, tensors: Sequence[Tensor] | Tensor) -> Tensor:
    """Norms of fp32 squares -> the same, and those that are very small, very large or infinite once more in float64.

    On a CPU only: on CUDA the kernel does it, and asking here would wait for the device.
    """
    if norms_P.is_cuda:
        return norms_P
    for place in ((norms_P < SMALLEST) | (norms_P > LARGEST)).nonzero().flatten().tolist():
        norms_P[place] = torch.linalg.vector_norm(tensors[place], dtype=torch.float64)
    return norms_P


def gradient_statistics(step: Step) -> tensor_stats.Stats | None:
    """Statistics of the unclipped gradients that are there, or None; computed once a step."""
    if "gradient_statistics" not in step.scratch:
        present = [p.grad for p in step.model.parameters() if p.grad is not None]
        step.scratch["gradient_statistics"] = statistics(present) if present else None
    return step.scratch["gradient_statistics"]


def gradient_norms(step: Step) -> Tensor:
    """Norm of each parameter's unclipped gradient -> (P,), in the order of `model.parameters()`; computed once a step."""
    if "gradient_norms" not in step.scratch:
        step.scratch["gradient_norms"] = norms([p.grad for p in step.model.parameters()], gradient_statistics(step))
    return step.scratch["gradient_norms"]


def weight_statistics(step: Step) -> tensor_stats.Stats | None:
    """Statistics of the weights after the step, or None; computed once a step."""
    if "weight_statistics" not in step.scratch:
        weights = [p.detach() for p in step.model.parameters()]
        step.scratch["weight_statistics"] = statistics(weights) if weights else None
    return step.scratch["weight_statistics"]


def total(norms_P: Tensor) -> Tensor:
    """Norm of everything from the norms of the parts."""
    return _in_range(torch.linalg.vector_norm(norms_P).reshape(1), [norms_P])[0]


def clip(model: nn.Module, norm: Tensor, largest: float) -> None:
    """Scale all gradients by min(1, largest / (norm + 1e-6)), as torch's clip_grad_norm_ does; never synchronises a GPU."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    torch._foreach_mul_(gradients, (largest / (norm + 1e-6)).clamp(max=1.0))
