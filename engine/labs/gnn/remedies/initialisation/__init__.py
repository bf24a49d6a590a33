"""Question `initialisation`: how large are the first weights?  An answer is a file here, such as kaiming.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.gnn.datasets.graph import Graph


@dataclass(frozen=True)
class Setting:
    """What the network will be trained on, as far as its first weights may depend on it.

    x_BND     features of all nodes
    graphs    what each layer sees
    classes   how many answers there are
    """

    x_BND: Tensor
    graphs: Sequence[Graph]
    classes: int


class Initialisation(Choice):
    """How large are the first weights?"""

    def limit(self, fan_in: int, fan_out: int) -> float:
        """-> matrices (fan_out, fan_in) are drawn evenly between −limit and limit."""
        raise TypeError(f"{type(self).__name__} must define limit(fan_in, fan_out)")

    def limits(self, shapes: Mapping[str, tuple[int, int]], setting: Setting) -> dict[str, float]:
        """The limit of each matrix by name; `shapes`: name -> (fan_in, fan_out), in the order in which the network uses them."""
        return {name: self.limit(*shape) for name, shape in shapes.items()}

    def initialise(self, model: nn.Module, seed: int, setting: Setting) -> nn.Module:
        """Overwrite the parameters of `model` in place, each drawn from (`seed`, its name) alone; returns it.

        Scales of norms begin at 1, all other vectors at 0.
        """
        import torch

        from engine.labs.common.models.initialise import named_generator

        modules = dict(model.named_modules())
        limits = self.limits({name: (p.shape[1], p.shape[0]) for name, p in model.named_parameters() if p.ndim >= 2}, setting)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                owner, _, leaf = name.rpartition(".")
                if parameter.ndim < 2:
                    parameter.fill_(1.0 if leaf == "weight" and isinstance(modules[owner], torch.nn.BatchNorm1d) else 0.0)
                    continue
                parameter.copy_((2.0 * torch.rand(parameter.shape, generator=named_generator(seed, name)) - 1.0) * limits[name])
        return model
