"""Many small trainings side by side, in float64: gradient descent on a tanh network, each with rates of its own.

`Descent.step` is the one step of a tile of a map and of a single run.  numpy's matmul multiplies one matrix pair after another and all
else is elementwise, so a training has the same bits alone and among thousands (a test).

Shapes: N trainings, M samples, D inputs, which is also the width of each hidden layer and the number of samples.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rates = Mapping[str, Array]  # RATES -> (N,)

RATES = ("lr_in", "lr_out", "init_in", "init_out")
CAP = 1e6  # one step counts at most so many times the first loss
CHUNK = 256 * 16 * 16  # numbers of one layer that are computed at a time: half a megabyte, which stays in the cache of a core


@dataclass(frozen=True)
class Network:
    """What all trainings of a map share.  y(x) = v · h_depth / D, h_l = tanh(√(2/D) W_l h_{l-1}), h_0 = x (mean-field scaling).

    Sohl-Dickstein 2024 (arXiv 2402.06184), section 2.  Differs: as many samples as inputs, where the paper has as many as weights.
    """

    width: int = 16
    depth: int = 1
    seed: int = 0
    data_seed: int = 0

    def samples(self) -> tuple[Array, Array]:
        """-> x (M, D) and y (M, 1), standard normal, from `data_seed` alone."""
        return _normal(self.data_seed, "x", (self.width, self.width)), _normal(self.data_seed, "y", (self.width, 1))

    def weights(self) -> list[Array]:
        """-> `depth` times (D, D), then (D, 1): standard normal, from `seed` and the layer alone."""
        hidden = [_normal(self.seed, f"hidden.{n}", (self.width, self.width)) for n in range(self.depth)]
        return [*hidden, _normal(self.seed, "readout", (self.width, 1))]


def _normal(seed: int, name: str, shape: tuple[int, ...]) -> Array:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little")).standard_normal(shape)


class Descent:
    """N trainings of one network.  `state`: its arrays, which each step changes in place."""

    def __init__(self, network: Network, rates: Rates) -> None:
        count, width = len(rates["lr_in"]), network.width
        samples_MD, self.target_M1 = network.samples()
        *hidden, readout = network.weights()
        scale = [rates["init_in"]] * network.depth + [rates["init_out"]]
        self.weights = [s[:, None, None] * w for s, w in zip(scale, [*hidden, readout], strict=True)]
        self.gain, self.mean = math.sqrt(2.0 / width), 1.0 / width
        self.inputs_MD = self.gain * samples_MD
        self.rates = [rates["lr_in"][:, None, None], rates["lr_out"][:, None, None]]
        self.slope = 2.0 / len(samples_MD) * self.mean  # of the mean squared error, times the 1/D of the last layer
        self.first_N, self.sum_N, self.steps = np.zeros(count), np.zeros(count), 0
        self.states = [np.empty((count, len(samples_MD), width)) for _ in hidden]  # room: a new array costs more than what is put in
        self.errors = [np.empty_like(state) for state in self.states]
        self.spare = [np.empty_like(self.states[0]), np.empty_like(self.weights[0]), np.empty_like(self.weights[-1])]

    def step(self, factor: float = 1.0) -> Array:
        """One step with all learning rates times `factor` -> the loss before it (N,), not a number once the weights are none."""
        with np.errstate(all="ignore"):
            seen: Array = self.inputs_MD
            for weight, state in zip(self.weights[:-1], self.states, strict=True):
                np.matmul(seen, weight, out=state)
                if state is not self.states[0]:
                    state *= self.gain
                seen = np.tanh(state, out=state)
            error = np.matmul(seen, self.weights[-1])
            error *= self.mean
            error -= self.target_M1
            loss_N = np.matmul(error.transpose(0, 2, 1), error)[:, 0, 0] / len(self.target_M1)
            self._count(loss_N)
            error *= self.slope
            self._move(error, factor)
        return loss_N

    def _count(self, loss_N: Array) -> None:
        if self.steps == 0:
            self.first_N[:] = loss_N
        ratio_N = loss_N / self.first_N
        self.sum_N += np.where(ratio_N < CAP, ratio_N, CAP)  # NaN is not below it either
        self.steps += 1

    def _move(self, error: Array, factor: float) -> None:
        """Backwards through the layers, whose weights move once the error has passed them.

        `error`: derivative of the loss by what goes through the last layer, without that layer.
        """
        rate_in, rate_out = (rate * factor for rate in self.rates)
        _, gradient, last = self.spare
        state, below = self.states[-1], self.errors[-1]
        np.multiply(error, self.weights[-1].transpose(0, 2, 1), out=below)
        self._through_tanh(below, state)
        self._descend(self.weights[-1], np.matmul(state.transpose(0, 2, 1), error, out=last), rate_out)
        for layer in range(len(self.states) - 1, 0, -1):
            error, below, state = self.errors[layer], self.errors[layer - 1], self.states[layer - 1]
            error *= self.gain
            np.matmul(error, self.weights[layer].transpose(0, 2, 1), out=below)
            self._through_tanh(below, state)
            self._descend(self.weights[layer], np.matmul(state.transpose(0, 2, 1), error, out=gradient), rate_in)
        self._descend(self.weights[0], np.matmul(self.inputs_MD.T, self.errors[0], out=gradient), rate_in)

    def _through_tanh(self, error: Array, state: Array) -> None:
        np.multiply(state, state, out=self.spare[0])
        np.subtract(1.0, self.spare[0], out=self.spare[0])
        error *= self.spare[0]

    @staticmethod
    def _descend(weight: Array, gradient: Array, rate: Array) -> None:
        gradient *= rate
        weight -= gradient

    @property
    def value_N(self) -> Array:
        """Mean so far of min(L/L₀, 1e6): above 1 a training has diverged."""
        return self.sum_N / self.steps

    def state(self) -> dict[str, Array]:
        """Views of what the next step begins with; `steps` is kept by whoever keeps these."""
        return {**{f"weight.{n}": weight for n, weight in enumerate(self.weights)}, "first": self.first_N, "sum": self.sum_N}

    def load(self, state: Mapping[str, Array], steps: int) -> None:
        """The inverse of `state`."""
        for name, mine in self.state().items():
            mine[:] = state[name]
        self.steps = steps


class Tile(NamedTuple):
    """Of N trainings: the mean of the capped loss ratios, and the last loss (the first loss is in the same units)."""

    value_N: Array
    final_N: Array


def _always(step: int) -> float:
    return 1.0


def tile(rates: Rates, network: Network, steps: int, factor: Callable[[int], float] = _always) -> Tile:
    """Train N networks for `steps` steps; `factor(step)` scales both learning rates of a step."""
    parts = [_whole(Descent(network, part), steps, factor) for part in _chunks(rates, max(1, CHUNK // network.width**2))]
    return Tile(np.concatenate([part.value_N for part in parts]), np.concatenate([part.final_N for part in parts]))


def _chunks(rates: Rates, size: int) -> Iterator[Rates]:
    for start in range(0, len(rates["lr_in"]), size):
        yield {name: rate[start : start + size] for name, rate in rates.items()}


def _whole(descent: Descent, steps: int, factor: Callable[[int], float]) -> Tile:
    loss_N = descent.first_N
    for step in range(steps):
        loss_N = descent.step(factor(step))
    return Tile(descent.value_N, loss_N)
