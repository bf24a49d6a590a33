"""Which variance of the weights keeps that of the states, or of the gradients, from layer to layer (Li et al. 2023, arXiv 2312.02622).

A layer is relu(S h W), with the convolution S of its graph; the last one gives the classes.  `layers` lists the S of each, from the
features to the classes, None for a layer without a graph.  All lists of variances have that order.  The formulas are those of
utils.py of LspongebobJH/virgo_icml2023 (gen_c2_for, gen_c2_back, gen_c2), where all S are one.

Shapes: B examples, N nodes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    Layers = Sequence[csr_array | NDArray[np.float64] | None]


def kept_forward(layers: Layers, mean_BN: NDArray[np.float64], features: int, width: int) -> list[float]:
    """v₁ = 2/features and v_l = (2/width) c_{l-1}/c_l, with c_l = Σ_B |S_l … S_1 x̄|² of the mean feature x̄ of each node."""
    states_NB, lengths = mean_BN.T, []
    for layer in layers:
        states_NB = _passed(layer, states_NB)
        lengths.append(float(np.square(states_NB).sum()))
    return [2.0 / features, *(2.0 / width * before / after for before, after in itertools.pairwise(lengths))]


def kept_backward(layers: Layers, nodes: int, width: int, classes: int) -> list[float]:
    """N / ((C - 1) e₁) for the last layer, and (2/width) e_{i-1}/e_i for the i-th from the end, with e_i = |Sᵀ … S_Lᵀ 1|², i factors."""
    gradient_N, lengths = np.ones(nodes), []
    for layer in reversed(layers):
        gradient_N = _passed(layer, gradient_N)  # each S is its own transpose
        lengths.append(float(np.square(gradient_N).sum()))
    return [
        nodes / ((classes - 1) * lengths[0]),
        *(2.0 / width * before / after for before, after in itertools.pairwise(lengths)),
    ][::-1]


def harmonic(forward: Sequence[float], backward: Sequence[float]) -> list[float]:
    """2 / (1/v + 1/u) of each layer."""
    return [2.0 / (1.0 / v + 1.0 / u) for v, u in zip(forward, backward, strict=True)]


def _passed(layer: csr_array | NDArray[np.float64] | None, state: NDArray[np.float64]) -> NDArray[np.float64]:
    return state if layer is None else layer @ state
