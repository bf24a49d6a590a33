"""Where the network, linearised at its initial weights, would stop training: the theory line over the trainability map.

There the predictions move by a fixed matrix, and gradient descent with rates η on the mean squared error of M samples shrinks the error
iff λ_max((2/M) (η_in K_in + η_out K_out)) < 2, with K the matrices of inner products of the samples' gradients by the weights of the
hidden layers and by those of the last (Lee et al. 2019, arXiv 1902.06720, section 2.2, for one rate).  The real training leaves the
initial weights.

Shapes: M samples, D inputs, which is also the width and the number of samples; N settings.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.labs.dynamics.models.descent import Network

Array = NDArray[np.float64]
STABLE = 2.0  # of the largest eigenvalue times the rate, in gradient descent


def kernels(network: Network, init_in: float, init_out: float) -> tuple[Array, Array]:
    """-> (K_in, K_out), (M, M) each, at the initial weights: of the hidden layers together, and of the last one."""
    samples_MD, _ = network.samples()
    *hidden, readout_D1 = network.weights()
    hidden, readout_D1 = [init_in * weight for weight in hidden], init_out * readout_D1
    gain, mean = math.sqrt(2.0 / network.width), 1.0 / network.width
    inputs, states = [], [samples_MD]
    for weight in hidden:
        inputs.append(gain * states[-1])
        states.append(np.tanh(inputs[-1] @ weight))
    out_MM = mean**2 * states[-1] @ states[-1].T
    in_MM = np.zeros_like(out_MM)
    error_MD = mean * readout_D1.T * (1.0 - states[-1] ** 2)
    for layer in range(len(hidden) - 1, -1, -1):
        in_MM += (error_MD @ error_MD.T) * (inputs[layer] @ inputs[layer].T)
        if layer:
            error_MD = gain * (error_MD @ hidden[layer].T) * (1.0 - states[layer] ** 2)
    return in_MM, out_MM


def sharpness(kernel_in: Array, kernel_out: Array, rate_in_N: Array, rate_out_N: Array) -> Array:
    """-> (N,) largest eigenvalue times rate; STABLE at the edge.  The kernels are (M, M) or (N, M, M)."""
    rated_NMM = rate_in_N[:, None, None] * kernel_in + rate_out_N[:, None, None] * kernel_out
    return 2.0 / kernel_in.shape[-1] * np.linalg.eigvalsh(rated_NMM)[:, -1]


def crossings(x: Array, y: Array, over_YX: Array, level: float) -> list[tuple[float, float, float, float]]:
    """Line segments (x0, y0, x1, y1) along which a field on a grid is at `level`, by linear interpolation between its points.

    Of a square with two pairs of crossings the pairs are joined in the order of its sides.
    """
    out = []
    above_YX = over_YX > level

    def cut(i: int, j: int, k: int, m: int) -> tuple[float, float]:
        share = (level - over_YX[j, i]) / (over_YX[m, k] - over_YX[j, i])
        return float(x[i] + share * (x[k] - x[i])), float(y[j] + share * (y[m] - y[j]))

    for j in range(len(y) - 1):
        for i in range(len(x) - 1):
            corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
            sides = zip(corners, [*corners[1:], corners[0]], strict=True)
            points = [cut(*a, *b) for a, b in sides if above_YX[a[1], a[0]] != above_YX[b[1], b[0]]]
            out += [(*points[n], *points[n + 1]) for n in range(0, len(points) - 1, 2)]
    return out
