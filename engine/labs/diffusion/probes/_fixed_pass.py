"""One forward pass over the lab's fixed batch, shared by all probes that ask it in the same step.

Shapes: B pictures, N long skips (index 0 is the outermost).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.diffusion.models.skip_gates import SkipFusion

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.capabilities import LongSkips
    from engine.labs.probe import Step

KEY = "fixed_pass"


@dataclass(frozen=True)
class FixedPass:
    """What one look at the fixed batch gives."""

    losses_B: Tensor
    feature_norms_NB: Tensor  # squared norm of each decoder block's output
    shares_N: Tensor  # norm of what the skip contributes, divided by that of the main path
    gates_N3: Tensor  # mean, smallest and largest gate


def fixed_batch(step: Step[LongSkips]) -> dict[str, Tensor]:
    """The batch on the device of the model."""
    device = next(step.model.parameters()).device
    return {name: tensor.to(device) for name, tensor in step.lab.fixed_batch().items()}


def fixed_pass(step: Step[LongSkips]) -> FixedPass:
    """Made once a step; hooks live only as long as it takes.  The number format is that of the run."""
    if KEY not in step.scratch:
        step.scratch[KEY] = measured_pass(step, fixed_batch(step))
    return step.scratch[KEY]


def measured_pass(step: Step[LongSkips], batch: Mapping[str, Tensor]) -> FixedPass:
    norms: dict[int, Tensor] = {}
    parts: dict[int, list[Tensor]] = {}
    gates: dict[int, Tensor] = {}

    def see_block(i: int) -> Any:
        return lambda module, inputs, output: norms.__setitem__(i, squared_norms(output))

    def see_fusion(i: int) -> Any:
        def see(fusion: SkipFusion, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
            if i not in parts:  # a forward pass that makes both summands at once calls neither layer
                fusion.parts(*inputs)
            kappa = torch.as_tensor(fusion.gate(inputs[1]), dtype=torch.float32, device=output.device)
            gates[i] = torch.stack([kappa.mean(), *kappa.aminmax()])

        return see

    def see_part(i: int) -> Any:
        return lambda module, inputs, output: parts.setdefault(i, []).append(torch.linalg.vector_norm(output.float()))

    hooks = []
    for i, block in enumerate(step.model.decoder):
        hooks += [block.register_forward_hook(see_block(i)), block.fusion.register_forward_hook(see_fusion(i))]
        hooks += [part.register_forward_hook(see_part(i)) for part in (block.fusion.main, block.fusion.skip)]  # in this order
    try:
        with torch.no_grad(), step.number_format():
            losses_B = step.lab.loss_of_each(step.model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    inward = range(len(norms))
    main_N, skip_N = torch.stack([torch.stack(parts[i]) for i in inward]).unbind(dim=1)
    return FixedPass(losses_B, torch.stack([norms[i] for i in inward]), skip_N / main_N, torch.stack([gates[i] for i in inward]))


def squared_norms(output: Tensor) -> Tensor:
    """(B, …) -> (B,) fp32: the squared Euclidean norm of each picture's features."""
    return output.detach().float().flatten(1).square().sum(dim=1)


def decoder_of(model: nn.Module) -> list[nn.Module]:
    """Decoder blocks, the outermost first."""
    return list(model.decoder)
