"""The presets of the lab `consistency`: which knobs make which method.  Their texts stand in the lab's Markdown."""

from __future__ import annotations

from engine.declare.presets import Deciding, Preset

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

STRESSED = {**COMMON, **FACM, "anchor": "none", "fourier_scale": 16.0, "steps": 1800}
FOURIER = {**COMMON, **SCM, "fourier_scale": 16.0}
MEAN_FLOW_STRESSED = {**COMMON, **MEAN_FLOW, "fourier_scale": 16.0, "steps": 1800}
ONE_JUMP = Deciding(
    "energy_distance", "energy_distance/one_step", message="samples made in one jump lie {value} from the data (energy distance)"
)
DERIVATIVE = Deciding("derivative_norms", "derivative/time", message="the derivative with respect to time is {value} long on average")
OWN_FLOW = Deciding(
    "energy_distance",
    "energy_distance/own_flow",
    message="samples made along the network's own velocity lie {value} from the data (energy distance)",
)

PRESETS = {
    "unanchored": Preset(
        knobs=STRESSED,
        cure={"anchor": "auxiliary_condition"},
        gpu=GPU,
        kind="breaks",
        deciding=ONE_JUMP,
        level=5.0,
        phenomena=("tangent instability", "drift"),
    ),
    "expanded": Preset(
        knobs={**STRESSED, "anchor": "expanded_interval"},
        cure={"pretrain": 300, "steps": 2100},
        deciding=ONE_JUMP,
        difficulty="advanced",
        phenomena=("tangent instability", "anchoring"),
    ),
    "slower": Preset(
        knobs={**STRESSED, "lr": 1e-3},
        grid={"lr": [1e-3, 5e-4]},
        deciding=ONE_JUMP,
        phenomena=("tangent instability", "sensitivity to the learning rate"),
    ),
    "calm": Preset(
        knobs={**COMMON, **FACM, "anchor": "none"},
        cure={"anchor": "auxiliary_condition"},
        kind="control",
        deciding=ONE_JUMP,
        phenomena=("anchoring",),
    ),
    "calm_slower": Preset(
        knobs={**COMMON, **FACM, "anchor": "none", "lr": 1e-3},
        grid={"lr": [1e-3, 5e-4]},
        deciding=ONE_JUMP,
        phenomena=("sensitivity to the learning rate",),
    ),
    "fourier": Preset(
        knobs=FOURIER,
        grid={"fourier_scale": [0, 4, 16]},
        deciding=ONE_JUMP,
        phenomena=("tangent instability", "time embedding"),
    ),
    "fourier_slower": Preset(
        knobs={**FOURIER, "lr": 1e-3},
        grid={"lr": [1e-3, 5e-4]},
        deciding=ONE_JUMP,
        phenomena=("tangent instability", "sensitivity to the learning rate"),
    ),
    "smooth_drift": Preset(
        knobs={**FOURIER, "tangent": "raw"},
        cure={"tangent": "normalise"},
        kind="breaks",
        deciding=ONE_JUMP,
        level=5.0,
        difficulty="advanced",
        phenomena=("tangent instability", "drift"),
    ),
    "bounded_head": Preset(
        knobs=STRESSED,
        cure={"head_norm": True},
        kind="breaks",
        deciding=ONE_JUMP,
        level=5.0,
        difficulty="advanced",
        phenomena=("tangent instability", "drift"),
    ),
    "mean_flow": Preset(
        knobs=MEAN_FLOW_STRESSED,
        deciding=ONE_JUMP,
        difficulty="advanced",
        phenomena=("time embedding",),
    ),
    "mean_flow_unequal": Preset(
        knobs={**MEAN_FLOW_STRESSED, "objective.equal_share": 0.0},
        deciding=ONE_JUMP,
        difficulty="advanced",
        phenomena=("anchoring",),
    ),
    "mean_flow_whole": Preset(
        knobs={**MEAN_FLOW_STRESSED, "objective.span": "whole"},
        deciding=ONE_JUMP,
        difficulty="advanced",
        phenomena=("anchoring",),
    ),
    "mean_flow_whole_unequal": Preset(
        knobs={**MEAN_FLOW_STRESSED, "objective.span": "whole", "objective.equal_share": 0.0},
        deciding=ONE_JUMP,
        difficulty="advanced",
        phenomena=("anchoring",),
    ),
    "baseline": Preset(
        knobs={**COMMON, **EDM},
        deciding=ONE_JUMP,
        phenomena=("distillation without derivatives",),
    ),
    "diagnosis": Preset(
        knobs={**COMMON, **TEACHER, "steps": 500, "fourier_scale": 16.0},
        cure={"fourier_scale": 0.0},
        deciding=DERIVATIVE,
        difficulty="advanced",
        phenomena=("time embedding", "tangent instability"),
    ),
    "teacher": Preset(
        knobs={**COMMON, **TEACHER, **DIGITS, "steps": 1200},
        kind="control",
        deciding=OWN_FLOW,
        phenomena=("distillation",),
    ),
    "digits": Preset(
        knobs={**COMMON, **SCM, **DIGITS, "velocity": "teacher", "steps": 800},
        deciding=ONE_JUMP,
        difficulty="advanced",
        phenomena=("distillation",),
    ),
    "digits_slower": Preset(
        knobs={**COMMON, **SCM, **DIGITS, "velocity": "teacher", "steps": 800, "lr": 1e-3},
        grid={"lr": [1e-3, 5e-4]},
        deciding=ONE_JUMP,
        difficulty="advanced",
        phenomena=("distillation", "sensitivity to the learning rate"),
    ),
}
