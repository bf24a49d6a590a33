"""The frozen feature network of a set of pictures: trained here once, in a few seconds, and kept in `data/cache/<key>/features.pt`.

The key is the hash of the recipe that makes it, of its constants, of the pictures, and of torch and the processor's instruction set,
which decide the last bits.  Training is on one thread of the CPU and touches no global generator, so the same key means the same bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from engine.core.paths import data_folder
from engine.labs.common import weights_cache
from engine.labs.common.models import initialise
from engine.labs.common.models.initialise import named_generator
from engine.labs.diffusion.datasets.images import Images
from engine.labs.diffusion.models.feature_network import CHANGES, FeatureNetwork, changed

RECIPE = 1  # raised when network or training change: a test holds the weights after a few steps to it
SEED = 0
STEPS = 200
BATCH = 64
LR = 1e-2
CLASS_WEIGHT = 0.2  # of the class beside the change: the photographs are told apart at once, and blur would never be learnt
REPORT = 10  # steps between two words about how far the training is
SEEN = 5000  # pictures from which the whitening is taken, at most

Report = Callable[[str], None]  # told what is going on; may raise to end it


def declaration(images: Images) -> dict[str, Any]:
    """Everything that decides the weights."""
    return {
        "recipe": RECIPE,
        "constants": [STEPS, BATCH, LR, CLASS_WEIGHT, SEEN],
        "images": images.provenance(),
        "seed": SEED,
        "torch": str(torch.__version__),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


_made: dict[tuple[Path, str, str], tuple[str, FeatureNetwork]] = {}  # with their keys, those that this process has at hand


def network(images: Images, report: Report = lambda phase: None) -> FeatureNetwork:
    """From the cache, or trained now and put there; on the CPU, frozen.  What `report` raises passes through."""
    return _kept(images, report)[1]


def provenance(images: Images) -> dict[str, str]:
    """For the provenance of a run: which network judges, and the hash of its weights."""
    key, made = _kept(images, lambda phase: None)
    return {"features": key, "features_sha256": digest(made)}


def _kept(images: Images, report: Report) -> tuple[str, FeatureNetwork]:
    at = (data_folder(), images.name, images.sha256)
    if at not in _made:
        decides = declaration(images)
        key = weights_cache.key(decides)
        path = weights_cache.file_of(key, "features")
        weights = weights_cache.load(path)
        if weights is None:
            made = train(images, report)
            weights_cache.save(path, made.state_dict(), decides | {"accuracy": accuracy(made, images), "weights": digest(made)})
        else:
            made = _empty(images)
            made.load_state_dict(weights)
        _made[at] = (key, made.eval().requires_grad_(False))
    return _made[at]


@torch.enable_grad()
def train(images: Images, report: Report = lambda phase: None) -> FeatureNetwork:
    """Two questions about every picture: which class (where the data has labels), and what was done to it."""
    made = _empty(images)
    pictures, threads = images.train_NCHW, torch.get_num_threads()
    optimizer = torch.optim.AdamW(made.parameters(), lr=LR)
    torch.set_num_threads(1)
    try:
        with torch.autocast("cpu", enabled=False):
            for n in range(STEPS):
                if n % REPORT == 0:
                    report(f"training the feature network, {n / STEPS:.0%}")
                generator = named_generator(SEED, f"features/{n}")
                optimizer.param_groups[0]["lr"] = LR * (1.0 - n / STEPS)
                which_N = torch.randint(len(pictures), (BATCH,), generator=generator)
                labels_N = None if images.train_labels_N is None else images.train_labels_N[which_N]
                optimizer.zero_grad()
                losses = [
                    functional.cross_entropy(logits, answer_N)
                    for logits, answer_N in _logits_and_answers(made, pictures[which_N], labels_N, generator)
                ]
                sum(weight * loss for weight, loss in zip((1.0, CLASS_WEIGHT), losses, strict=False)).backward()
                optimizer.step()
            made.settle(evenly_spaced(pictures, SEEN))
    finally:
        torch.set_num_threads(threads)
    return made


@torch.no_grad()
def accuracy(made: FeatureNetwork, images: Images) -> dict[str, float]:
    """Share of right answers on the validation pictures, by question."""
    generator, labels_N = named_generator(SEED, "features/validation"), images.validation_labels_N
    asked = _logits_and_answers(made, images.validation_NCHW, labels_N, generator)
    right = [float((logits.argmax(dim=1) == answer_N).double().mean()) for logits, answer_N in asked]
    return dict(zip(("change", "class"), right, strict=False))


def digest(made: FeatureNetwork) -> str:
    """Of the bytes of all weights."""
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in made.state_dict().values())).hexdigest()


def _logits_and_answers(
    made: FeatureNetwork, x_NCSS: Tensor, labels_N: Tensor | None, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """-> logits and right answers for each question."""
    change_N = torch.randint(len(CHANGES), (len(x_NCSS),), generator=generator)
    logits = made.logits(changed(x_NCSS, change_N, torch.randn(x_NCSS.shape, generator=generator)))
    questions = [(logits[:, -len(CHANGES) :], change_N)]
    return questions if labels_N is None else [*questions, (logits[:, : -len(CHANGES)], labels_N)]


def _empty(images: Images) -> FeatureNetwork:
    """With initial weights; torch's own initialisation would draw from the global generator, so that is put back."""
    _, C, S, _ = images.train_NCHW.shape
    classes = 0 if images.train_labels_N is None else int(images.train_labels_N.max()) + 1
    with torch.random.fork_rng(devices=[]):
        made = FeatureNetwork(C, S, classes)
    initialise.initialise(made, SEED)
    return made


def evenly_spaced(pictures_NCSS: Tensor, most: int) -> Tensor:
    """All pictures, or `most` of them, evenly spread."""
    if len(pictures_NCSS) <= most:
        return pictures_NCSS
    return pictures_NCSS[torch.linspace(0, len(pictures_NCSS) - 1, most).long()]
