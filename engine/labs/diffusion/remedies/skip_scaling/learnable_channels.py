"""Learnable scaling (LS) in the form of squeeze-and-excitation: a gate per channel, from the mean over the places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.skip_scaling import SCALELONG, SkipScaling

if TYPE_CHECKING:
    from torch import nn


class LearnableChannels(SkipScaling):
    """Differs: the two layers have biases, as ScaleLong's gates of U-ViT have. Its authors released no UNet."""

    idea = (
        "A network of two small layers reads the mean of a skip over the picture and answers with a number between 0 and 1 for each of "
        "its channels, as squeeze-and-excitation does."
    )
    formula = r"\kappa_i=\sigma(W_2\,\mathrm{relu}(W_1\,\mathrm{mean}_L(s_i)+b_1)+b_2)\in(0,1)^D"
    paper = f"{SCALELONG}, for convolutional UNets"
    cost = "About `2D²/r` weights, and two tiny matrix products per skip."
    fails = "As the form with a gate per place: it begins near 1/2, and nothing in its formula keeps it there."
    reading = "paper"
    source = "Squeeze-and-Excitation (Hu et al. 2018, arXiv 1709.01507), eq. 2 and 3"

    shared: bool = knob(True, "one network for all skips, or one for each skip", group="remedy")
    reduction: int = knob(16, "the inner layer is so many times narrower", source="the authors' code: 16", group="remedy", ge=1, le=256)

    def build(self, shapes: Sequence[tuple[int, int]]) -> list[nn.Module]:
        from engine.labs.diffusion.models.skip_gates import ChannelGate

        nets = {channels: ChannelGate(channels, self.reduction) for _, channels in shapes} if self.shared else {}
        return [nets[channels] if self.shared else ChannelGate(channels, self.reduction) for _, channels in shapes]
