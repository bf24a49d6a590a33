"""The presets of the lab `unet`: which knobs show which claim, and what was measured of each."""

from __future__ import annotations

from engine.declare.presets import Preset

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

PRESETS = {
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
    "no_warmup": Preset(
        story="Five times the learning rate from the first step on, without clipping: what the warm-up is for.",
        see=(
            "The size of the features and the loss. These are the knobs of the preset silent: 6e8 to 4e12 over the last three quarters "
            "and 0.63 to 0.84 on validation (three seeds). With nothing but a warm-up of 50 steps the twin ends at 0.55 to 0.58, its "
            "features average 3 to 11 million and the rule on their level stays quiet. That is far from the 130,000 to 270,000 of "
            "1/√2 on every residual sum: a warm-up spares the beginning, it does not hold the scale."
        ),
        knobs={**TOY, **HARSH, "skip_scaling": "none", "residual_scaling": "none"},
        cure={"warmup": 50},
    ),
    "high_rate": Preset(
        story="Five times the learning rate, with the usual warm-up and clipping: features of another size, and a better loss.",
        see=(
            "The size of the features, not the loss. Their squared norm averages 42 to 78 million, with the usual rate of the twin "
            "84,000 to 169,000 (three seeds), and a small push on the input reaches the last block 1,700 to 1,900 times longer "
            "instead of 46 to 67 times. The relative swing is 1.5 times chance against 1.3. Nothing else complains: the largest "
            "gradient is below 3, no rule fires, and the loss is lower, 0.51 to 0.53 on validation against 0.53 to 0.55."
        ),
        knobs={**TOY, "skip_scaling": "none", "lr": 1e-2},
        cure={"lr": 2e-3},
    ),
    "small_batch": Preset(
        story="A quarter of the pictures per step: the features grow more, but do not swing more.",
        see=(
            "The size of the features: their squared norm averages 160,000 to 600,000 with four pictures per step and 84,000 to "
            "169,000 with the sixteen of the twin (three seeds), 2 to 4 times as much on the same seed. It learns less from fewer "
            "pictures: 0.60 to 0.66 on validation against 0.53 to 0.55. What did not show is more swing: 0.08 to 0.09 of the mean "
            "from step to step against 0.10 to 0.18, in both cases little above what the change of pictures alone gives."
        ),
        knobs={**TOY, "skip_scaling": "none", "batch_size": 4},
        cure={"batch_size": 16},
    ),
    "perturbed_input": Preset(
        story="Extra noise on what the network sees in training, of which its target knows nothing: larger features, no more swing.",
        see=(
            "The size of the features: with noise of half a standard deviation on top their squared norm averages 200,000 to 370,000, "
            "without it (preset skips) 84,000 to 169,000, with it and the constant scaling of the twin 33,000 to 70,000 (three seeds). "
            "A small push on the input reaches the last block 41 to 53 times longer, in the twin 16 to 24 times. The chain of the "
            "paper, from a perturbed input to a swinging output and an unstable training, did not show: the swing is 1.1 times "
            "chance, no rule fires, and the loss is that of the harder task in both, 0.65 to 0.67 on validation."
        ),
        knobs={**TOY, "skip_scaling": "none", "input_perturbation": 0.5},
        cure=CONSTANT,
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
