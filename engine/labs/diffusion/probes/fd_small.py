"""Probe `fd_small`: how far drawn pictures are from real ones, in the features of a small frozen network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from engine.labs.capabilities import DrawnPictures

OWN = "made in 40 steps of the network's own velocity, where it learns one"
WAYS = {"samples": "drawn by the sampler", "one_step": "made in one jump", "two_steps": "made in two jumps", "own_flow": OWN}


class FdSmall(Probe):
    """FD-small of 400 pictures drawn with the averaged weights: the Fréchet distance in 32 features of a small network trained here.

    It is no FID: another network, other pictures, and numbers that compare only within one data set.  The floor is what 400 real
    training pictures score against the others, so a model that repeats training pictures comes near it; it is all bias, which every
    score holds.  How much two models differ by chance is measured on pairs of real sets; farther from the data it is more.  The kernel
    distance on the same features has no bias, so it can be below 0; its floor is the largest of 16 sets of real pictures.  Nothing
    for data in the plane; a picture that is not finite makes both infinite.  The first run here with this probe trains the network,
    in some seconds."""

    price = "dear"
    every = 100
    needs = "drawn_pictures"
    metrics = (
        *(Metric(f"fd_small/{name}", f"Fréchet distance of pictures {way}") for name, way in WAYS.items()),
        Metric(
            "fd_small/floor", "what as many real pictures score, mean of 200 sets: as their true distance is 0, the bias at this number"
        ),
        Metric("fd_small/floor_high", "95 of 100 such sets score less: below it a difference from real pictures is chance"),
        Metric("fd_small/difference", "95 of 100 pairs of such sets differ by less: of two models near the data, so much is chance"),
        *(Metric(f"kernel_mmd/{name}", f"squared kernel distance of pictures {way}") for name, way in WAYS.items()),
        Metric("kernel_mmd/floor", "the largest that 16 sets of as many real pictures score"),
    )

    @classmethod
    def make_ready(cls, lab: DrawnPictures, report: Callable[[str], None]) -> dict[str, Any]:
        from engine.labs.diffusion import _feature_networks

        images = lab.images()
        if images is None:
            return {}
        _feature_networks.network(images, report)
        return _feature_networks.provenance(images)

    def after(self, step: Step[DrawnPictures]) -> Iterable[Reading]:
        from engine.labs.diffusion.probes._real_pictures import SAMPLES, real_pictures, scores

        images = step.lab.images()
        if images is None:
            return
        for name, drawn_NCHW in step.lab.drawn_pictures(step, SAMPLES).items():
            frechet, kernel = scores(images, drawn_NCHW)
            yield Reading(f"fd_small/{name}", float(frechet))
            yield Reading(f"kernel_mmd/{name}", float(kernel))
        chance = real_pictures(images).chance
        yield Reading("fd_small/floor", float(chance.mean))
        yield Reading("fd_small/floor_high", float(chance.high))
        yield Reading("fd_small/difference", float(chance.difference))
        yield Reading("kernel_mmd/floor", float(real_pictures(images).kernel_floor))
