"""A convolutional UNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.backbone import Backbone

if TYPE_CHECKING:
    from torch import nn

    from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling
    from engine.labs.diffusion.remedies.skip_scaling import SkipScaling


class ConvolutionalUNet(Backbone):
    """Differs: blocks have one width, one convolution and no attention, where published UNets have several widths, two and some; the
    layers of the noise level are a quarter as wide as DDPM's.

    Why: no published UNet has these blocks, small enough for a CPU; ScaleLong's authors released their U-ViT only.
    """

    idea = (
        "Convolutions at several resolutions, down and up again; each block on the way up also receives what its partner on the way "
        "down made."
    )
    formula = r"f_i(x)=b_{i+1}(\kappa_{i+1}a_{i+1}(x)+f_{i+1}(a_{i+1}(x))),\quad f_N=\text{middle}"
    paper = "Denoising diffusion (Ho et al. 2020, arXiv 2006.11239), with long skips as ScaleLong numbers them"
    cost = "About `10 D²` weights per block of width D, `12 D²` on the way up."
    fails = (
        "Without scaling its stream grows with the number of skips {cite in proportion | ScaleLong, theorem 1}. By its formula each block "
        "normalises what it reads, so the loss need not show it."
    )
    reading = "our reading of the abstract"
    source = "the recursion f of ScaleLong's theorem 1; the blocks are ours"

    levels: int = knob(2, "resolutions; each halves the one before", unit="levels", group="size", ge=1, le=5)

    def build(self, channels: int, size: int, width: int, skips: int, scaling: SkipScaling, residual: ResidualScaling) -> nn.Module:
        from engine.labs.diffusion.models.unet import UNet

        return UNet(channels, size, width, skips, self.levels, scaling.build, residual.branch, residual.sum_factor)
