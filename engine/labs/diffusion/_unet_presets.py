"""The presets of the lab `unet`: which knobs show which claim.  Their texts stand in the lab's Markdown."""

from __future__ import annotations

from engine.declare.presets import Deciding, Preset

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
FEATURES = Deciding("feature_norm", "feature_norm/train", message="the features of the outermost block have a mean squared norm of {value}")

PRESETS = {
    "skips": Preset(
        knobs={**TOY, "skip_scaling": "none"},
        cure=CONSTANT,
        gpu=UNET_GPU,
        deciding=FEATURES,
        order=3,
        difficulty="introductory",
        phenomena=("skip amplification",),
    ),
    "half_precision": Preset(
        knobs={**TOY, "skip_scaling": "none", "precision": "bf16"},
        deciding=FEATURES,
        phenomena=("skip amplification", "half precision"),
    ),
    "remedies": Preset(
        knobs={**TOY, "skip_scaling": "inverse_sqrt2"},
        grid={"skip_scaling": ["inverse_sqrt2", "learnable", "learnable_channels"]},
        deciding=FEATURES,
        phenomena=("skip amplification",),
    ),
    "silent": Preset(
        knobs={**TOY, **HARSH, "skip_scaling": "none", "residual_scaling": "none"},
        cure={"residual_scaling": "inverse_sqrt2_sum"},
        gpu=UNET_GPU | {"lr": 2e-3, "warmup": 0},
        kind="breaks",
        deciding=FEATURES,
        phenomena=("skip amplification", "silent failure", "sensitivity to the learning rate"),
    ),
    "silent_remedies": Preset(
        knobs={**TOY, **HARSH, "skip_scaling": "none", "residual_scaling": "stable"},
        grid={"residual_scaling": ["stable", "decreasing"]},
        deciding=FEATURES,
        difficulty="advanced",
        phenomena=("skip amplification", "silent failure", "sensitivity to the learning rate"),
    ),
    "vit": Preset(
        knobs={**VIT, "skip_scaling": "none"},
        cure=CONSTANT,
        gpu=VIT_GPU,
        deciding=FEATURES,
        phenomena=("skip amplification",),
    ),
    "vit_remedies": Preset(
        knobs={**VIT, "skip_scaling": "inverse_sqrt2"},
        grid={"skip_scaling": ["inverse_sqrt2", "learnable"]},
        deciding=FEATURES,
        difficulty="advanced",
        phenomena=("skip amplification",),
    ),
    "depth": Preset(
        knobs={**TOY, "skips": 8, "skip_scaling": "none"},
        grid={"skips": [4, 8, 16]},
        deciding=FEATURES,
        difficulty="introductory",
        phenomena=("skip amplification",),
    ),
    "healthy": Preset(
        knobs={**TOY, **CONSTANT, "skips": 4, "steps": 250},
        gpu=UNET_GPU,
        kind="control",
        deciding=FEATURES,
        difficulty="introductory",
        phenomena=("skip amplification",),
    ),
    "no_warmup": Preset(
        knobs={**TOY, **HARSH, "skip_scaling": "none", "residual_scaling": "none"},
        cure={"warmup": 50},
        kind="breaks",
        deciding=FEATURES,
        phenomena=("skip amplification", "warm-up", "sensitivity to the learning rate"),
    ),
    "high_rate": Preset(
        knobs={**TOY, "skip_scaling": "none", "lr": 1e-2},
        cure={"lr": 2e-3},
        deciding=FEATURES,
        phenomena=("skip amplification", "sensitivity to the learning rate"),
    ),
    "small_batch": Preset(
        knobs={**TOY, "skip_scaling": "none", "batch_size": 4},
        cure={"batch_size": 16},
        deciding=FEATURES,
        phenomena=("skip amplification", "batch size"),
    ),
    "perturbed_input": Preset(
        knobs={**TOY, "skip_scaling": "none", "input_perturbation": 0.5},
        cure=CONSTANT,
        deciding=FEATURES,
        phenomena=("skip amplification", "noisy inputs"),
    ),
    "photographs": Preset(
        knobs={**TOY, **CONSTANT, "skips": 4, "steps": 120, "data": "patches_16"},
        kind="control",
        deciding=FEATURES,
        phenomena=("skip amplification",),
    ),
}
