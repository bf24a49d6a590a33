"""Probe `input_gain`: how far a small push on the input moves the output and the features (Theorem 3 of ScaleLong)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from engine.labs.common.models.initialise import named_generator
from engine.labs.diffusion.probes._fixed_pass import fixed_batch
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.capabilities import LongSkips

PUSH = 1e-2  # of the input's norm


class InputGain(Probe):
    """‖f(x+δ) - f(x)‖ / ‖δ‖ on the fixed batch, for one fixed random direction of a hundredth of the input's length, in fp32.

    `rounding` is the same quotient for the rounding of one fp32 number in each place, the floor under which a gain says nothing."""

    price = "cheap"
    every = 100
    needs = "long_skips"
    metrics = (
        Metric("gain/output", "of the network's answer"),
        Metric("gain/feature", "of the outermost decoder block's output"),
        Metric("gain/rounding", "gain/feature that rounding alone could make: 2⁻²³ ‖h‖ / ‖δ‖"),
    )

    def after(self, step: Step[LongSkips]) -> Iterable[Reading]:
        batch = fixed_batch(step)
        seen, label_B, _ = step.lab.diffusion.training_pair(batch["clean"], batch["noise"], batch["sigma"])
        perturbation = torch.randn(seen.shape, generator=named_generator(0, "push")).to(seen.device)
        perturbation *= PUSH * torch.linalg.vector_norm(seen) / torch.linalg.vector_norm(perturbation)
        (there, feature_there), (here, feature_here) = (answer_and_feature(step, x, label_B) for x in (seen + perturbation, seen))
        length = torch.linalg.vector_norm(perturbation)
        yield Reading("gain/output", torch.linalg.vector_norm(there - here) / length)
        yield Reading("gain/feature", torch.linalg.vector_norm(feature_there - feature_here) / length)
        yield Reading("gain/rounding", 2.0**-23 * torch.linalg.vector_norm(feature_here) / length)


def answer_and_feature(step: Step[LongSkips], x: Tensor, label_B: Tensor) -> tuple[Tensor, Tensor]:
    """-> the answer and the outermost decoder block's output, both fp32."""
    seen: list[Any] = []
    hook = step.model.decoder[0].register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            answer = step.model(x, label_B)
    finally:
        hook.remove()
    return answer.float(), seen[0].float()
