"""Question `initialisation`: how large are the first weights?  An answer is a file here, such as kaiming.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import nn


class Initialisation(Choice):
    """How large are the first weights?"""

    def limit(self, fan_in: int, fan_out: int) -> float:
        """-> matrices (fan_out, fan_in) are drawn evenly between −limit and limit."""
        raise TypeError(f"{type(self).__name__} must define limit(fan_in, fan_out)")

    def initialise(self, model: nn.Module, seed: int) -> nn.Module:
        """Overwrite the parameters of `model` in place, each drawn from (`seed`, its name) alone; returns it.

        Scales of norms begin at 1, all other vectors at 0.
        """
        import torch

        from engine.labs.common.models.initialise import named_generator

        modules = dict(model.named_modules())
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                owner, _, leaf = name.rpartition(".")
                if parameter.ndim < 2:
                    parameter.fill_(1.0 if leaf == "weight" and isinstance(modules[owner], torch.nn.BatchNorm1d) else 0.0)
                    continue
                limit = self.limit(parameter.shape[1], parameter.shape[0])
                parameter.copy_((2.0 * torch.rand(parameter.shape, generator=named_generator(seed, name)) - 1.0) * limit)
        return model
