"""The error divided by a power of itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.declare.knobs import knob
from engine.labs.diffusion.remedies.loss_weight import LossWeight


class ScaledNorm(LossWeight):
    idea = (
        "Each sample's squared error is divided by a power of its own value, held constant: at `p = 0.5` the gradient has the same "
        "length for a small and for a large error, at `p = 1` large errors count less. The cosine takes weight from times near the data."
    )
    formula = r"L=\mathbb{E}\;\beta(t)\,e\,/\,\mathrm{sg}\left[(e+c)^{p}\right],\quad \beta(t)=\cos(\pi t/2)"
    paper = (
        "FACM (Peng et al., ICLR 2026), authors' code, p = 0.5 with cosine; MeanFlow (Geng et al. 2025, arXiv 2505.13447), p = 1 without"
    )
    cost = "One power per sample."
    fails = (
        "By its formula, at `p = 1`, the gradient of a sample whose error is far above c shrinks as the error grows, and the value of the "
        "loss stays below 1 whatever happens to the model."
    )
    reading = "authors' code"
    source = "losses.py of ali-vilab/FACM; meanflow.py of Gsunshine/py-meanflow"

    p: float = knob(0.5, "power of the error in the denominator", source="FACM 0.5, MeanFlow 1", group="remedy", ge=0.0, le=2.0)
    c: float = knob(1e-3, "added to the error in the denominator", source="both: 0.001", group="remedy", ge=1e-12, le=10.0)
    cosine: bool = knob(True, "weight by the cosine, 1 at the noise and 0 at the data", source="FACM yes, MeanFlow no", group="remedy")

    def weigh(self, error_B: Tensor, noise_fraction_B: Tensor, network: nn.Module | None) -> Tensor:
        beta_B = torch.sin(0.5 * torch.pi * noise_fraction_B) if self.cosine else 1.0
        return (beta_B * error_B / (error_B.detach() + self.c) ** self.p).mean()
