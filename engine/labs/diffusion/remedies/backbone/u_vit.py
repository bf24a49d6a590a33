"""U-ViT: a transformer over patches with long skips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.backbone import Backbone

if TYPE_CHECKING:
    from torch import nn

    from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling
    from engine.labs.diffusion.remedies.skip_scaling import SkipScaling


class UViTBackbone(Backbone):
    """Differs: linear layers have torch's default variance instead of the standard deviation {cite 0.02 | libs/uvit.py}, which is much
    smaller at these widths, and both halves of a skip's matrix keep the energy that passes through them. No class token.
    """

    idea = (
        "A transformer whose tokens are patches of the picture and the noise level; its first block is joined to its last by a long "
        "skip, its second to its last but one, and so on."
    )
    formula = r"h\leftarrow W\,[h\,;\,\kappa_i s_i]+b,\quad\text{then attention and MLP, pre-LN}"
    paper = "All are Worth Words (Bao et al. 2023, arXiv 2209.12152); the backbone of ScaleLong's released code"
    cost = "About `14 D²` weights per block on the way out, and attention over all patches."
    fails = (
        "By its formula the stream is not normalised before the end and keeps what every skip adds. How far its features grow stands in "
        "the preset vit, those of the convolutional UNet in the preset skips."
    )
    reading = "authors' code"
    source = "libs/uvit.py and configs/cifar10_uvit.py of baofff/U-ViT"

    patch: int = knob(2, "pixels along the side of a patch", unit="pixels", source="U-ViT-S/2 on CIFAR-10: 2", group="size", ge=1, le=16)
    heads: int = knob(4, "attention heads; they divide the width", unit="heads", group="size", ge=1, le=64)

    def build(self, channels: int, size: int, width: int, skips: int, scaling: SkipScaling, residual: ResidualScaling) -> nn.Module:
        from engine.labs.diffusion.models.u_vit import UViT

        return UViT(channels, size, self.patch, width, self.heads, skips, scaling.build, residual.branch, residual.sum_factor)
