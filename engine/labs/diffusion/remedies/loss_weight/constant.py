"""Every sample counts the same."""

from __future__ import annotations

from torch import Tensor, nn

from engine.labs.diffusion.remedies.loss_weight import LossWeight


class Constant(LossWeight):
    idea = "The plain mean over the batch; what a time counts is decided by how often it is drawn."
    formula = r"L=\mathbb{E}\,e"
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), Figure 5b, the arm without adaptive weighting"
    cost = "Nothing."
    fails = (
        "By its formula times with large errors have the largest part in the gradient. The paper reports "
        "{cite a worse FID without adaptive weights | sCM, figure 5b}."
    )
    reading = "paper"
    source = "sCM, figure 5b"

    def weigh(self, error_B: Tensor, noise_fraction_B: Tensor, network: nn.Module | None) -> Tensor:
        return error_B.mean()
