"""VP noise prediction: the diffusion of DDPM and of U-ViT, in continuous time with linear beta."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.diffusion.remedies.diffusion import Coefficients, Diffusion

if TYPE_CHECKING:
    from torch import Tensor

BETA_0, BETA_1 = 0.1, 20.0
FIRST = 1e-3  # smallest time that is trained
LABELS = 999.0


class Vp(Diffusion):
    idea = "Picture and noise are mixed so that the variance stays about one, time is drawn evenly, and the network predicts the noise."
    formula = (
        r"x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,n,\quad L=\|F(x_t,999t)-n\|^2,\quad "
        r"\ln\bar\alpha_t=-\tfrac12(\beta_1-\beta_0)t^2-\beta_0t"
    )
    paper = "DDPM (Ho et al. 2020, arXiv 2006.11239), VP-SDE (Song et al. 2021, arXiv 2011.13456); the setting of ScaleLong's U-ViT"
    cost = "Nothing."
    fails = (
        "By its formula the input is nearly the answer at high noise, and at low noise an error of the answer moves the picture by only "
        "a small part of itself."
    )
    reading = "authors' code"
    source = "sde.py, VPSDE, of sail-sg/ScaleLong"

    def sigma(self, noise_fraction_B: Tensor) -> Tensor:
        """σ = sqrt(1/ᾱ - 1) at t = 0.001 + 0.999 share."""
        t_B = FIRST + (1.0 - FIRST) * noise_fraction_B
        return (BETA_0 * t_B + 0.5 * (BETA_1 - BETA_0) * t_B.square()).expm1().sqrt()

    def coefficients(self, sigma_B: Tensor) -> Coefficients:
        """F sees x / sqrt(1 + σ²), which is x_t; t solves ln(1 + σ²) = β₀ t + (β₁ - β₀) t² / 2."""
        grown_B = sigma_B.square().log1p()
        t_B = 2.0 * grown_B / ((BETA_0**2 + 2.0 * (BETA_1 - BETA_0) * grown_B).sqrt() + BETA_0)
        ones_B = sigma_B.new_ones(sigma_B.shape)
        return Coefficients(ones_B, -sigma_B, (1.0 + sigma_B.square()).rsqrt(), LABELS * t_B)
