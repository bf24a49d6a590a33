"""The presets of the lab `trainability`: which knobs show what.  Their texts stand in the lab's Markdown."""

from __future__ import annotations

from engine.declare.presets import Deciding, Preset

VALUE = Deciding("trainability_value", "trainability/value", message="the loss has been {value} times the first one, on average so far")
TOO_FAST = {"lr_in": 100.0, "lr_out": 80.0}

PRESETS = {
    "trains": Preset(
        knobs={"lr_in": 30.0, "lr_out": 30.0},
        kind="control",
        deciding=VALUE,
        difficulty="introductory",
        phenomena=("sensitivity to the learning rate",),
    ),
    "diverges": Preset(
        knobs=TOO_FAST,
        cure={"warmup": 40},
        kind="breaks",
        deciding=VALUE,
        level=1.0,
        difficulty="introductory",
        phenomena=("divergence", "sensitivity to the learning rate"),
    ),
    "warm_up": Preset(
        knobs=TOO_FAST,
        grid={"warmup": [10, 20, 30]},
        deciding=VALUE,
        difficulty="introductory",
        phenomena=("warm-up", "sensitivity to the learning rate"),
    ),
    "on_the_boundary": Preset(
        knobs={"lr_in": 30.0, "lr_out": 95.0},
        deciding=VALUE,
        phenomena=("sensitivity to the learning rate", "sensitivity to the seed"),
    ),
}
