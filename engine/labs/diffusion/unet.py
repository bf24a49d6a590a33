"""Lab `unet`: a diffusion model with many long skip connections, whose features grow with the number of skips unless they are scaled.

Shapes: B pictures, C channels, S pixels along a side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from engine.declare.knobs import knob, question
from engine.declare.rules import AtMost, Divides
from engine.labs.diffusion._unet_presets import PRESETS
from engine.labs.diffusion.remedies.backbone import Backbone
from engine.labs.diffusion.remedies.diffusion import SIGMA_DATA, Diffusion
from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling
from engine.labs.diffusion.remedies.sampler import Sampler
from engine.labs.diffusion.remedies.skip_scaling import SkipScaling
from engine.labs.lab import Lab

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.diffusion.datasets.images import Images
    from engine.labs.probe import Step

HELD_OUT = 96  # pictures of the validation
FIXED = 32  # pictures of the fixed batch that the probes ask


class Unet(Lab):
    title = "Long skip connections"
    icon = ":material/u_turn_right:"
    papers = ("arXiv 2310.13545", "arXiv 2006.11239", "arXiv 2206.00364", "arXiv 2209.12152", "arXiv 2010.12859")
    edition = 4
    editions = {
        2: "SPAM resets, clips and adds eps where its authors do",
        3: "U-ViT's noise level has its authors' frequencies and no layers of its own, and its last convolution starts as any other",
        4: "the factors of decreasing scaling are the published ones, 1.44 times as large as before",
    }
    concerns = {2: {"optimizer": "spam"}, 3: {"backbone": "u_vit"}, 4: {"residual_scaling": "decreasing"}}
    provides = frozenset({"long_skips", "pictures", "drawn_pictures"})
    headline = ("loss/validation", "feature_norm/late", "oscillation/train", "gain/feature", "fd_small/samples")
    rules = (
        Divides("backbone.heads", "width", "each attention head takes an equal part of the width."),
        AtMost("backbone.levels", "skips", "each resolution needs a block with a skip of its own."),
    )
    thresholds = {"loss/fixed": (0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.57)}

    backbone: Backbone = question(Backbone, "unet", "Which network with long skips removes the noise?", group="size")
    skip_scaling: SkipScaling = question(SkipScaling, "none", "What multiplies a long skip connection before it joins the decoder?")
    residual_scaling: ResidualScaling = question(
        ResidualScaling, "none", "What multiplies a residual branch before it is added to the stream?"
    )
    diffusion: Diffusion = question(
        Diffusion, "edm", "What does the network see, what must it predict, and how much noise is there?", group="training"
    )
    sampler: Sampler = question(Sampler, "heun", "How does one walk from noise to a picture?", group="probes")
    skips: int = knob(
        12, "long skip connections; the network has twice as many blocks and one", unit="skips", group="stressor", ge=1, le=64
    )
    batch_size: int = knob(16, "pictures per step", unit="pictures", group="stressor", ge=1, le=4096)
    input_perturbation: float = knob(
        0.0, "standard deviation of extra noise on what the network sees in training; its target stays", group="stressor", ge=0.0, le=100.0
    )
    data: Literal["digits", "patches_16", "patches_32", "cifar10"] = knob(
        "digits", "handwritten digits of 8 pixels, patches of two photographs, or CIFAR-10 where it is on the disk", group="size"
    )
    width: int = knob(24, "channels of every block; a multiple of 8", unit="channels", group="size", ge=8, le=2048)
    ema_half_life: float = knob(
        50.0,
        "after so many steps a weight counts half in the average that draws the samples; 0 is no average",
        unit="steps",
        ge=0.0,
        le=1e6,
    )

    presets = PRESETS

    def images(self) -> Images:
        from engine.labs.diffusion.datasets.cifar10 import cifar10
        from engine.labs.diffusion.datasets.digits import digits
        from engine.labs.diffusion.datasets.photo_patches import photo_patches

        sets: dict[str, Callable[[], Images]] = {
            "digits": digits,
            "patches_16": lambda: photo_patches(16),
            "patches_32": lambda: photo_patches(32),
            "cifar10": cifar10,
        }
        return sets[self.data]()

    def model(self) -> nn.Module:
        from engine.labs.common.models.initialise import initialise
        from engine.labs.diffusion.models.ema import Ema

        _, C, S, _ = self.images().train_NCHW.shape
        network = self.backbone.build(C, S, self.width, self.skips, self.skip_scaling, self.residual_scaling)
        network = initialise(network, self.seed)
        network.ema = Ema(network, self.ema_half_life)
        return network

    def batch(self, n: int) -> dict[str, Tensor]:
        """Pictures drawn with replacement, their noise and its level: `clean` and `noise` (B, C, S, S), `sigma` (B,)."""
        import torch

        from engine.labs.common.models.initialise import named_generator

        order = named_generator(self.seed if self.data_seed is None else self.data_seed, f"batch/{n}")
        pictures = self.images().train_NCHW
        clean = SIGMA_DATA * pictures[torch.randint(len(pictures), (self.batch_size,), generator=order)]
        out = {"clean": clean, "noise": torch.randn(clean.shape, generator=order)}
        out["sigma"] = self.diffusion.sigma(torch.rand(self.batch_size, generator=order).clamp(1e-6, 1.0 - 1e-6))
        if self.input_perturbation:
            out["input_noise"] = self.input_perturbation * torch.randn(clean.shape, generator=order)
        return out

    def evaluation_batch(self, count: int, name: str) -> dict[str, Tensor]:
        """A batch of validation pictures with evenly spread noise levels, the same for every seed."""
        import torch

        from engine.labs.common.models.initialise import named_generator

        order, pictures = named_generator(0, name), self.images().validation_NCHW
        clean = SIGMA_DATA * pictures[torch.linspace(0, len(pictures) - 1, count).long()]
        shares = (torch.randperm(count, generator=order) + 0.5) / count
        return {"clean": clean, "noise": torch.randn(clean.shape, generator=order), "sigma": self.diffusion.sigma(shares)}

    def validation(self) -> Iterator[dict[str, Tensor]]:
        yield self.evaluation_batch(HELD_OUT, "validation")

    def fixed_batch(self) -> dict[str, Tensor]:
        """What the probes ask again and again: its readings change with the weights alone."""
        return self.evaluation_batch(FIXED, "fixed")

    def loss_of_each(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Mean squared error of what the network predicts, for each picture -> (B,); an answer of 0 costs about 1."""
        seen, label_B, target = self.diffusion.training_pair(batch["clean"], batch["noise"], batch["sigma"])
        answer = model(seen + batch["input_noise"] if "input_noise" in batch else seen, label_B)
        return (answer.float() - target).square().mean(dim=(1, 2, 3))

    def loss(self, model: nn.Module, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The mean over pictures and noise levels, with unit weight in the units of the network's answer."""
        return {"train": self.loss_of_each(model, batch).mean()}

    def after_step(self, model: nn.Module, step: int) -> None:
        model.ema.update(model)

    def drawn_pictures(self, step: Step, count: int) -> dict[str, Tensor]:
        """What is scored: (count, C, S, S) in the units of `images`, drawn by the sampler with the averaged weights."""
        from engine.labs.diffusion._sampling import draw

        return {"samples": draw(step, count, "scored pictures") / SIGMA_DATA}

    def provenance(self) -> dict[str, Any]:
        return self.images().provenance()
