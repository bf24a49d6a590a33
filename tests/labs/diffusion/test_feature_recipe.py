"""The recipe of the feature networks is held to its number: kept networks are found by it, and must not be taken for others."""

from __future__ import annotations

import pytest

from engine.labs.diffusion import _feature_networks
from engine.labs.diffusion.datasets.digits import digits

# Norm of each tensor after 20 steps on the digits.  Processors differ in the last bits of the weights, which moves these by less than
# one part in 100,000 (instruction sets without and with AVX2 and AVX-512); a change of the network or of its training moves them far more.
# Whoever changes either raises RECIPE, and records the new norms under it: otherwise networks that older code kept would go on judging.
NORMS = {
    1: {
        "convolutions.0.weight": 2.70942,
        "convolutions.0.bias": 0.167848,
        "convolutions.2.weight": 5.60527,
        "convolutions.2.bias": 0.264899,
        "convolutions.4.weight": 6.39641,
        "convolutions.4.bias": 0.186182,
        "head.weight": 2.61373,
        "head.bias": 0.103781,
        "mean": 8.28583,
        "whiten": 131.63,
    },
}


def test_the_weights_after_20_steps_are_those_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_feature_networks, "STEPS", 20)
    made = _feature_networks.train(digits())
    norms = {name: float(tensor.double().norm()) for name, tensor in made.state_dict().items()}
    assert _feature_networks.RECIPE in NORMS, "record the norms of the new recipe"
    assert norms == pytest.approx(NORMS[_feature_networks.RECIPE], rel=2e-4), "the recipe has changed: raise RECIPE"
