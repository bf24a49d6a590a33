"""The theory line: against gradients of autograd, and against what gradient descent does just below and just above it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from engine.labs.dynamics.models.descent import Descent, Network
from engine.labs.dynamics.models.edge import STABLE, crossings, kernels, sharpness
from engine.labs.panel import panel


@pytest.mark.parametrize(("width", "depth", "init_in", "init_out"), [(5, 1, 1.0, 1.0), (4, 3, 0.7, 2.0), (6, 2, 1.5, 0.1)])
def test_the_kernels_are_inner_products_of_the_gradients(width: int, depth: int, init_in: float, init_out: float) -> None:
    network = Network(width, depth, seed=3, data_seed=5)
    x = torch.from_numpy(network.samples()[0])
    *hidden, readout = (torch.from_numpy(weight) for weight in network.weights())
    weights = [*(init_in * weight for weight in hidden), init_out * readout]

    def outputs(*weights: torch.Tensor) -> torch.Tensor:
        state = x
        for weight in weights[:-1]:
            state = torch.tanh(math.sqrt(2 / width) * state @ weight)
        return (state @ weights[-1] / width)[:, 0]

    jacobians = torch.autograd.functional.jacobian(outputs, tuple(weights))
    flat = [part.reshape(width, -1) for part in jacobians]
    expected_in = sum(part @ part.T for part in flat[:-1])
    kernel_in, kernel_out = kernels(network, init_in, init_out)
    np.testing.assert_allclose(kernel_in, expected_in.numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(kernel_out, (flat[-1] @ flat[-1].T).numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("ratio", "factor"), list(itertools.product((1e-2, 1.0, 1e2), (0.97, 1.03))))
def test_beside_the_initial_weights_training_shrinks_below_the_line_and_grows_above_it(ratio: float, factor: float) -> None:
    """With targets a hair beside the first outputs the weights hardly move, so that the linearised network is the network."""
    network = Network(8, 2, seed=1)
    kernel_in, kernel_out = kernels(network, 1.0, 1.0)
    one = np.array([1.0])
    scale = factor * STABLE / sharpness(kernel_in, kernel_out, one, one * ratio)[0]
    rates = {"lr_in": one * scale, "lr_out": one * scale * ratio, "init_in": one, "init_out": one}
    training = Descent(network, rates)
    first = Descent(network, rates)
    state = training.inputs_MD
    for weight in training.weights[:-1]:
        state = np.tanh(state @ weight[0] if weight is training.weights[0] else training.gain * state @ weight[0])
    outputs_M1 = state @ training.weights[-1][0] * training.mean
    worst = np.linalg.eigh(kernel_in + ratio * kernel_out)[1][:, -1:]
    training.target_M1 = outputs_M1 + 1e-9 * worst
    losses = [float(training.step()[0]) for _ in range(60)]
    assert first.steps == 0
    assert (losses[-1] < losses[0]) == (factor < 1.0)
    expected = (1 - factor * STABLE) ** 2
    assert losses[1] / losses[0] == pytest.approx(expected, rel=1e-4), (
        "the error along the steepest direction is multiplied by 1 - 2 factor"
    )


def test_crossings_of_a_known_field_lie_on_its_line() -> None:
    x = np.linspace(-1, 1, 41)
    segments = crossings(x, x, x[None, :] ** 2 + x[:, None] ** 2, 0.5)
    assert len(segments) > 60
    for x0, y0, x1, y1 in segments:
        for a, b in ((x0, y0), (x1, y1)):
            assert math.hypot(a, b) == pytest.approx(math.sqrt(0.5), abs=2e-3)
    assert crossings(x, x, np.zeros((41, 41)), 0.5) == []


def test_the_panel_gives_the_line_of_its_view_for_every_pair_of_axes() -> None:
    kind = panel("trainability_edge")
    edge = kind(width=8).compute()["edge"]
    assert edge["x0"]
    network = Network(8, 1, 0, 0)
    kernel_in, kernel_out = kernels(network, 1.0, 1.0)
    for x, y in zip(edge["x0"], edge["y0"], strict=True):
        at = sharpness(kernel_in, kernel_out, np.array([10.0**x]), np.array([10.0**y]))[0]
        assert at == pytest.approx(STABLE, rel=0.03), "interpolated on a grid"
    for a, b in itertools.permutations(("lr_in", "lr_out", "init_in", "init_out"), 2):
        found = kind(width=4, x=a, y=b, centre_x=1.0, centre_y=1.0).compute()["edge"]
        assert len({len(column) for column in found.values()}) == 1
    with pytest.raises(ValueError, match="both lr_in"):
        kind(x="lr_in", y="lr_in").compute()
    slower = kind(width=8, lr=10.0).compute()["edge"]
    assert max(slower["y0"]) == pytest.approx(max(edge["y0"]) - 1, abs=0.2), "a factor on both rates moves the line by as much"
