"""The presets of the lab `consistency`: which knobs make which method.  Their texts stand in the lab's Markdown."""

from __future__ import annotations

from engine.declare.presets import Preset

ADAM = {"optimizer": "adamw", "optimizer.beta2": 0.99, "optimizer.weight_decay": 0.0}
COMMON = {**ADAM, "steps": 600, "on_divergence": "continue"}
FACM = {"objective": "shortcut", "tangent": "relaxed", "loss_weight": "scaled_norm", "modulation": "adaptive_norm"}
SCM = {"objective": "trigflow", "tangent": "normalise", "loss_weight": "adaptive", "modulation": "double_norm", "anchor": "none"}
MEAN_FLOW = {
    "objective": "mean_flow",
    "tangent": "raw",
    "loss_weight": "scaled_norm",
    "loss_weight.p": 1.0,
    "loss_weight.cosine": False,
    "modulation": "adaptive_norm",
}
EDM = {"objective": "edm_discrete", "tangent": "raw", "loss_weight": "constant", "modulation": "adaptive_norm"}
TEACHER = {"objective": "diffusion", "tangent": "raw", "loss_weight": "constant", "anchor": "none", "modulation": "adaptive_norm"}
DIGITS = {"data": "digits", "width": 192, "probes": "dear"}
GPU = {"device": "cuda", "precision": "bf16", "width": 1024, "blocks": 6, "batch_size": 4096, "steps": 10_000, "ema": 500.0}

PRESETS = {
    "unanchored": Preset(
        knobs={**COMMON, **FACM, "anchor": "none", "fourier_scale": 16.0},
        cure={"anchor": "auxiliary_condition"},
        gpu=GPU,
    ),
    "calm": Preset(
        knobs={**COMMON, **FACM, "anchor": "none"},
        cure={"anchor": "auxiliary_condition"},
    ),
    "fourier": Preset(
        knobs={**COMMON, **SCM, "fourier_scale": 16.0},
        grid={"fourier_scale": [0, 4, 16]},
    ),
    "smooth_drift": Preset(
        knobs={**COMMON, **SCM, "tangent": "raw", "fourier_scale": 16.0},
        cure={"tangent": "normalise"},
    ),
    "bounded_head": Preset(
        knobs={**COMMON, **FACM, "anchor": "none", "fourier_scale": 16.0},
        cure={"head_norm": True},
    ),
    "mean_flow": Preset(
        knobs={**COMMON, **MEAN_FLOW, "fourier_scale": 16.0},
    ),
    "baseline": Preset(
        knobs={**COMMON, **EDM},
    ),
    "diagnosis": Preset(
        knobs={**COMMON, **TEACHER, "steps": 500, "fourier_scale": 16.0},
        cure={"fourier_scale": 0.0},
    ),
    "teacher": Preset(
        knobs={**COMMON, **TEACHER, **DIGITS, "steps": 1200},
    ),
    "digits": Preset(
        knobs={**COMMON, **SCM, **DIGITS, "velocity": "teacher", "steps": 800},
    ),
}
