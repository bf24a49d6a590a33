"""What drawn pictures are compared with: features of real ones, and what as many real pictures score against the rest.

Shapes: N drawn pictures, M real ones, D features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.labs.common.models.initialise import named_generator
from engine.labs.diffusion import _feature_networks
from engine.labs.diffusion.datasets.images import Images
from engine.labs.diffusion.models.feature_network import FEATURES, FeatureNetwork
from engine.labs.diffusion.models.frechet import Chance, Moments, by_chance, frechet_distance, kernel_distance, moments

SAMPLES = 400  # pictures that are scored: 12.5 for each of the 32 features
POOL = 2000  # training pictures from which the real ones come, at most
SPLITS = 16  # of the pool into SAMPLES pictures and the rest, over which the floor of the kernel distance is measured
REPEATS = 200  # and that of the Fréchet distance, which costs less

assert SAMPLES >= 10 * FEATURES


@dataclass(frozen=True)
class RealPictures:
    """One split of real pictures into a reference and a set as large as what is scored, and the scores of all splits."""

    network: FeatureNetwork
    reference_MD: Tensor
    reference: Moments
    chance: Chance  # Fréchet distance of real from real pictures
    kernel_floor: Tensor  # largest kernel distance of real from real pictures


_known: dict[FeatureNetwork, RealPictures] = {}  # by the frozen network itself


def real_pictures(images: Images) -> RealPictures:
    """Computed once per process.  The reference is the rest of the first split, so it is exchangeable with that of the floor."""
    network = _feature_networks.network(images)
    if network not in _known:
        with torch.no_grad():
            features_PD = network(_feature_networks.evenly_spaced(images.train_NCHW, POOL)).double()
        generator = named_generator(0, "real pictures")
        splits = [features_PD[torch.randperm(len(features_PD), generator=generator)] for _ in range(SPLITS)]
        chance = by_chance(features_PD, SAMPLES, REPEATS, generator)
        kernel = [kernel_distance(split[:SAMPLES], split[SAMPLES:]) for split in splits]
        rest = splits[0][SAMPLES:]
        _known[network] = RealPictures(network, rest, moments(rest), chance, torch.stack(kernel).max())
    return _known[network]


def scores(images: Images, drawn_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """-> Fréchet and kernel distance () of pictures in the units of `images`, judged as a person sees them: cut to black and white.

    A picture with a value that is not finite makes both infinite.
    """
    if not torch.isfinite(drawn_NCHW).all():
        return torch.tensor(torch.inf), torch.tensor(torch.inf)
    real = real_pictures(images)
    seen = (images.pixels(drawn_NCHW.float().cpu()) - images.mean) / images.deviation
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        features_ND = real.network(seen).double()
    return frechet_distance(moments(features_ND), real.reference), kernel_distance(features_ND, real.reference_MD)
