"""DDIM: one call of the network per step, exact when the denoiser's answer does not change along the way."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from engine.labs.diffusion.remedies.sampler import Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from engine.labs.diffusion.remedies.sampler import Denoise


class Ddim(Sampler):
    idea = "Ask the denoiser where the picture is and go part of the way there, as far as the next noise level is lower."
    formula = r"x'=D(x;\sigma)+\tfrac{\sigma'}{\sigma}\,(x-D(x;\sigma))"
    paper = "Denoising diffusion implicit models (Song, Meng, Ermon 2021, arXiv 2010.02502)"
    cost = "One call of the network per step."
    fails = "By its formula, Euler's in the noise level, its error shrinks only in proportion to the length of a step."
    reading = "paper"
    source = "eq. 12 with η = 0, in the noise levels of EDM"

    def sample(self, denoise: Denoise, x: Tensor, sigmas: Tensor) -> Tensor:
        for here, there in itertools.pairwise(sigmas):
            clean = denoise(x, here)
            x = clean + (there / here) * (x - clean)
        return x
