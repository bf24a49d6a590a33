"""Lab `unet`: a diffusion model with many long skip connections, whose features grow with the number of skips unless they are scaled.

Shapes: B pictures, C channels, S pixels along a side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from engine.knobs import knob, question
from engine.lab import Lab, Preset
from engine.remedies.backbone import Backbone
from engine.remedies.diffusion import SIGMA_DATA, Diffusion
from engine.remedies.residual_scaling import ResidualScaling
from engine.remedies.sampler import Sampler
from engine.remedies.skip_scaling import SkipScaling
from engine.rules import AtMost, Divides

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.datasets.images import Images
    from engine.probe import Step

HELD_OUT = 96  # pictures of the validation
FIXED = 32  # pictures of the fixed batch that the probes ask

TOY = {"backbone": "unet", "skips": 12, "batch_size": 16, "lr": 2e-3, "steps": 150}
VIT = {"backbone": "u_vit", "backbone.patch": 2, "backbone.heads": 4, "width": 48, "skips": 12, "batch_size": 16, "lr": 2e-3, "steps": 120}
CONSTANT = {"skip_scaling": "constant", "skip_scaling.kappa": 0.7}
HARSH = {"lr": 1e-2, "warmup": 0, "clip": 0.0, "steps": 100}
GPU = {
    **{"device": "cuda", "precision": "bf16", "data": "patches_32", "batch_size": 128, "lr": 2e-4, "warmup": 500, "steps": 5000},
    **{"width": 256, "ema_half_life": 500.0},
}
UNET_GPU = GPU | {"backbone": "unet", "backbone.levels": 3}
VIT_GPU = GPU | {"backbone": "u_vit", "backbone.patch": 2, "backbone.heads": 8, "width": 512, "skips": 8}


class Unet(Lab):
    title = "Long skip connections"
    icon = ":material/u_turn_right:"
    papers = ("arXiv 2310.13545", "arXiv 2006.11239", "arXiv 2206.00364", "arXiv 2209.12152", "arXiv 2010.12859")
    story = (
        "A network that removes noise from small pictures has a way down, a way up, and long connections that skip from the one to the "
        "other. Each of them adds its energy to the features on the way up, so with twelve the last block's features are many times "
        "larger than with four, and normalisation inside the blocks hides that from the loss. What these runs do not show: that the "
        "scaled network learns faster. On digits the paper's acceleration of about 1.5 times did not appear in the convolutional "
        "network, and the swing of the features, taken relative to their size, is hardly above what the change of batch alone gives. "
        "Networks are far smaller than the paper's and runs are 100 to 250 steps. With probes=dear the drawn pictures get a score, "
        "FD-small, the Fréchet distance in the features of a small network trained on the same data; it is no FID and compares with no "
        "number of the paper. All numbers are from the CPU presets."
    )
    provides = frozenset({"long_skips", "pictures", "drawn_pictures"})
    chart_notes = {
        "losses": (
            "The validation loss is the mean of 96 pictures: on digits its standard error over them is about 0.02, that of a batch of 16 "
            "about 0.05. All runs share these pictures, so a difference between runs is surer than that."
        ),
        "time_to_loss": "The fixed batch has 32 pictures, a standard error of about 0.03 on digits, and is the same for all runs.",
    }
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

    presets = {
        "skips": Preset(
            story="Twelve long skips of full size: each adds its energy, and the features of the last block grow and swing.",
            see=(
                "The size of the features. Averaged over the last three quarters of training the squared norm of the last block is 84,000 "
                "to 169,000 (three seeds); with the constant scaling of the twin 23,000 to 37,000, and a small push on the input reaches "
                "the last block 23 to 27 times longer instead of 46 to 67 times. The loss does not tell: 0.535 to 0.548 on validation "
                "against 0.534 to 0.547. Nor is the twin faster: it reaches a loss of 0.65 at step 80 to 100, the broken run at 80 to 90."
            ),
            knobs={**TOY, "skip_scaling": "none"},
            cure=CONSTANT,
            gpu=UNET_GPU,
        ),
        "remedies": Preset(
            story="The same network with the other published answers to the question what multiplies a long skip.",
            see=(
                "The size of the features against the 84,000 to 169,000 without scaling (mean of three seeds 135,000): each of these "
                "answers lowers it on each seed, none as far as the constant scaling (28,000). 1/√2 gives 97,000 in the mean, a learned "
                "gate per place 68,000, per channel 66,000. Learned gates begin near 1/2. No answer is faster than another by more than "
                "20 of about 90 steps, and validation losses differ as much between seeds."
            ),
            knobs={**TOY, "skip_scaling": "inverse_sqrt2"},
            grid={"skip_scaling": ["inverse_sqrt2", "learnable", "learnable_channels"]},
        ),
        "silent": Preset(
            story="Five times the learning rate, no warm-up, no clipping: the features leave their scale, and no usual curve tells.",
            see=(
                "The size of the features: their squared norm averages 6e8 to 4e12 over the last three quarters (three seeds), with the "
                "twin's 1/√2 on every residual sum 130,000 to 270,000. The gradient norm never passes 6.5 and neither spike nor divergence "
                "is told; only the rule on the level of the features fires, at step 25 or 26. The loss just learns less: 0.63 to 0.84 on "
                "validation against 0.54 to 0.61. The twin is at a loss of 0.8 after 30 steps, the broken run after 50 on one seed and "
                "within its 100 steps on no other."
            ),
            knobs={**TOY, **HARSH, "skip_scaling": "none", "residual_scaling": "none"},
            cure={"residual_scaling": "inverse_sqrt2_sum"},
            gpu=UNET_GPU | {"lr": 2e-3, "warmup": 0},
        ),
        "silent_remedies": Preset(
            story="The same harsh training with other ways to hold the stream: Stable ResNet, uniform and decreasing.",
            see=(
                "Both hold the stream on every seed, and neither as well as 1/√2 on every residual sum: the squared norm of the features "
                "averages 5 to 44 million with uniform factors and 17 to 39 million with decreasing ones (three seeds), against 6e8 to "
                "4e12 without and 130,000 to 270,000 with 1/√2. With uniform factors the rule on their level still fires on one seed, at "
                "step 88. The network learns again: 0.57 to 0.66 on validation against 0.63 to 0.84, and a loss of 0.8 after 30 to 60 "
                "steps."
            ),
            knobs={**TOY, **HARSH, "skip_scaling": "none", "residual_scaling": "stable"},
            grid={"residual_scaling": ["stable", "decreasing"]},
        ),
        "vit": Preset(
            story="A transformer with twelve long skips, whose stream is never normalised before the end, as in the paper's code.",
            see=(
                "The size of the features: their squared norm averages 540,000 to 19 million over the last three quarters (three seeds), "
                "with the constant scaling of the twin 95,000 to 2.2 million, 6 to 23 times less on the same seed. That is no cure of the "
                "learning: after 120 steps two of three seeds have hardly begun, with and without it (0.73 to 0.90 on validation, with "
                "the scaling 0.73 to 0.88), and it is not faster."
            ),
            knobs={**VIT, "skip_scaling": "none"},
            cure=CONSTANT,
            gpu=VIT_GPU,
        ),
        "vit_remedies": Preset(
            story="The transformer with the other published answers to the question what multiplies a long skip.",
            see=(
                "A remedy that fails: the learned gates lower the features on one of three seeds (230,000 against 540,000 without "
                "scaling) and raise them on the two others (47 and 21 million against 19 and 15), for nothing holds the gates near the "
                "1/2 where they begin. 1/√2 lowers them on two seeds (240,000 and 1.7 million) and fails on the third: 230 million, with a "
                "gradient of 19 and the rule on their level at step 97. Only the constant scaling of the preset vit lowers them on all."
            ),
            knobs={**VIT, "skip_scaling": "inverse_sqrt2"},
            grid={"skip_scaling": ["inverse_sqrt2", "learnable"]},
        ),
        "depth": Preset(
            story="More and more long skips of full size: how the features of the last block grow with their number.",
            see=(
                "The size of the features beside the number of skips. Their squared norm averages 17,000 to 20,000 with four, 51,000 to "
                "65,000 with eight, 84,000 to 169,000 with twelve (the preset skips) and 300,000 to 470,000 with sixteen (three seeds): "
                "four times the skips, twenty times the energy, which is steeper than the straight line of the theorem for a network that "
                "has learnt nothing. A small push on the input reaches the last block 15, 31 to 37, 46 to 67 and 90 to 141 times longer. "
                "What does not grow is the relative swing, 1.3 times chance at four and at sixteen, nor does the loss tell: 0.54 to 0.55 "
                "on validation with four, 0.52 to 0.55 with sixteen."
            ),
            knobs={**TOY, "skips": 8, "skip_scaling": "none"},
            grid={"skips": [4, 8, 16]},
        ),
        "healthy": Preset(
            story="Four long skips, the deeper ones scaled down: a diffusion model that learns to draw digits without trouble.",
            see=(
                "Nothing leaves its scale: the squared norm of the last block averages 11,000 to 14,000 over the last three quarters "
                "(three seeds), no rule fires, and the loss falls to 0.47 to 0.49 on validation. The drawn pictures have 1.5 times the "
                "contrast of the data after 250 steps: they are still rough."
            ),
            knobs={**TOY, **CONSTANT, "skips": 4, "steps": 250},
            gpu=UNET_GPU,
        ),
        "photographs": Preset(
            story="The same on patches of two photographs, 16 pixels wide and in colour.",
            see=(
                "The loss falls to 0.40 to 0.45 on validation (three seeds), no rule fires, and the squared norm of the last block, which "
                "here sums over four times as many pixels, averages 120,000 to 240,000. The drawn pictures are spots of colour with 1.7 "
                "to 1.8 times the contrast of the data: 120 steps are enough to train without trouble, not to draw a photograph."
            ),
            knobs={**TOY, **CONSTANT, "skips": 4, "steps": 120, "data": "patches_16"},
        ),
    }

    def images(self) -> Images:
        from engine.datasets.cifar10 import cifar10
        from engine.datasets.digits import digits
        from engine.datasets.photo_patches import photo_patches

        sets: dict[str, Callable[[], Images]] = {
            "digits": digits,
            "patches_16": lambda: photo_patches(16),
            "patches_32": lambda: photo_patches(32),
            "cifar10": cifar10,
        }
        return sets[self.data]()

    def model(self) -> nn.Module:
        from engine.models.ema import Ema
        from engine.models.initialise import initialise

        _, C, S, _ = self.images().train_NCHW.shape
        network = self.backbone.build(C, S, self.width, self.skips, self.skip_scaling, self.residual_scaling)
        network = initialise(network, self.seed)
        network.ema = Ema(network, self.ema_half_life)
        return network

    def batch(self, n: int) -> dict[str, Tensor]:
        """Pictures drawn with replacement, their noise and its level: `clean` and `noise` (B, C, S, S), `sigma` (B,)."""
        import torch

        from engine.models.initialise import named_generator

        order = named_generator(self.seed if self.data_seed is None else self.data_seed, f"batch/{n}")
        pictures = self.images().train_NCHW
        clean = SIGMA_DATA * pictures[torch.randint(len(pictures), (self.batch_size,), generator=order)]
        out = {"clean": clean, "noise": torch.randn(clean.shape, generator=order)}
        out["sigma"] = self.diffusion.sigma(torch.rand(self.batch_size, generator=order).clamp(1e-6, 1.0 - 1e-6))
        if self.input_perturbation:
            out["push"] = self.input_perturbation * torch.randn(clean.shape, generator=order)
        return out

    def asked(self, count: int, name: str) -> dict[str, Tensor]:
        """A batch of validation pictures with evenly spread noise levels, the same for every seed."""
        import torch

        from engine.models.initialise import named_generator

        order, pictures = named_generator(0, name), self.images().validation_NCHW
        clean = SIGMA_DATA * pictures[torch.linspace(0, len(pictures) - 1, count).long()]
        shares = (torch.randperm(count, generator=order) + 0.5) / count
        return {"clean": clean, "noise": torch.randn(clean.shape, generator=order), "sigma": self.diffusion.sigma(shares)}

    def validation(self) -> Iterator[dict[str, Tensor]]:
        yield self.asked(HELD_OUT, "validation")

    def fixed_batch(self) -> dict[str, Tensor]:
        """What the probes ask again and again: its readings change with the weights alone."""
        return self.asked(FIXED, "fixed")

    def loss_of_each(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Mean squared error of what the network predicts, for each picture -> (B,); an answer of 0 costs about 1."""
        seen, label_B, target = self.diffusion.lesson(batch["clean"], batch["noise"], batch["sigma"])
        answer = model(seen + batch["push"] if "push" in batch else seen, label_B)
        return (answer.float() - target).square().mean(dim=(1, 2, 3))

    def loss(self, model: nn.Module, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The mean over pictures and noise levels, with unit weight in the units of the network's answer."""
        return {"train": self.loss_of_each(model, batch).mean()}

    def after_step(self, model: nn.Module, step: int) -> None:
        model.ema.update(model)

    def drawn_pictures(self, step: Step, count: int) -> dict[str, Tensor]:
        """What is scored: (count, C, S, S) in the units of `images`, drawn by the sampler with the averaged weights."""
        from engine.probes.picture_samples import draw

        return {"samples": draw(step, count, "scored pictures") / SIGMA_DATA}

    def provenance(self) -> dict[str, Any]:
        return self.images().provenance()
