"""A learned log-variance per time."""

from __future__ import annotations

from torch import Tensor, nn

from engine.labs.diffusion.remedies.loss_weight import LossWeight


class Adaptive(LossWeight):
    idea = (
        "A small network w(t) is trained along and settles where every time has the same expected loss: `e^w` times the error is one. "
        "By its formula the loss is about 1 − w from then on and says nothing about quality."
    )
    formula = r"L=\mathbb{E}\left[e^{w_\phi(t)}\,e-w_\phi(t)\right]"
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), eq. 8; EDM2 (Karras et al. 2024, arXiv 2312.02696)"
    cost = "A network of two small layers on the time alone."
    fails = (
        "By its formula the loss curve is flat once w has settled: where the error grows, its weight falls as fast as w follows, so a "
        "divergence need not show there."
    )
    reading = "paper"
    source = "sCM, eq. 8; NVlabs/FastGen, sCM.py"

    def network(self, width: int, seed: int) -> nn.Module:
        from engine.labs.diffusion.models.time_network import LogVariance

        return LogVariance(width, seed)

    def weigh(self, error_B: Tensor, noise_fraction_B: Tensor, network: nn.Module | None) -> Tensor:
        assert network is not None
        w_B = network(noise_fraction_B).float()
        return (w_B.exp() * error_B - w_B).mean()
