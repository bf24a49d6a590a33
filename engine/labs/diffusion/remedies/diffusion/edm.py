"""EDM: preconditioning that keeps what the network sees and what it predicts at unit variance at every noise level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.diffusion import SIGMA_DATA, Coefficients, Diffusion

if TYPE_CHECKING:
    from torch import Tensor


class Edm(Diffusion):
    idea = (
        "The network's input, its target and its loss have the same size at every noise level; the level itself is drawn from a bell "
        "around the middle levels."
    )
    formula = (
        r"D=\frac{\sigma_d^2}{\sigma^2+\sigma_d^2}x+\frac{\sigma\sigma_d}{\sqrt{\sigma^2+\sigma_d^2}}F\!\left("
        r"\frac{x}{\sqrt{\sigma^2+\sigma_d^2}},\tfrac14\ln\sigma\right),\quad \ln\sigma\sim\mathcal N(P_m,P_s^2)"
    )
    paper = "Elucidating the design space of diffusion-based generative models (Karras et al. 2022, arXiv 2206.00364), table 1"
    cost = "Nothing."
    fails = "The bell is a choice: levels far from its middle are rarely drawn."
    reading = "authors' code"
    source = "table 1; training/loss.py and training/networks.py of NVlabs/edm"

    p_mean: float = knob(-1.2, "mean of ln σ", source="EDM: -1.2", ge=-5.0, le=5.0)
    p_std: float = knob(1.2, "standard deviation of ln σ", source="EDM: 1.2", ge=0.01, le=5.0)

    def sigma(self, noise_fraction_B: Tensor) -> Tensor:
        return (self.p_mean + self.p_std * math.sqrt(2.0) * (2.0 * noise_fraction_B - 1.0).erfinv()).exp()

    def coefficients(self, sigma_B: Tensor) -> Coefficients:
        variance_B = sigma_B.square() + SIGMA_DATA**2
        return Coefficients(
            SIGMA_DATA**2 / variance_B, sigma_B * SIGMA_DATA / variance_B.sqrt(), 1.0 / variance_B.sqrt(), sigma_B.log() / 4.0
        )
