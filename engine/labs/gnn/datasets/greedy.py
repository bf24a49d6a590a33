"""The best pair of a matrix of scores, chosen alike on every machine.

Shapes: N nodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TIE = 1e-9  # two scores that differ by less, relative to the best one, are the same: rounding must not choose


def first_best(score_NN: NDArray[np.float64], allowed_NN: NDArray[np.bool_]) -> tuple[int, int] | None:
    """The first pair, by rows, of those allowed pairs whose score is the largest; None where none is allowed."""
    if not allowed_NN.any():
        return None
    best = score_NN.max(where=allowed_NN, initial=-np.inf)
    row, column = np.unravel_index(int((allowed_NN & (score_NN >= best - TIE * abs(best))).argmax()), score_NN.shape)
    return int(row), int(column)
