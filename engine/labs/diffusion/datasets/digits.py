"""Handwritten digits, 8 × 8 and grey, that come with scikit-learn: 1,797 pictures of 43 writers, in 17 shades.

The split is by the hash of each picture, so it depends on no seed and no order.
Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998 (its test part).
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from engine.labs.diffusion.datasets.images import Images, bundled, held_out, normalised

SHADES = 16.0


@cache
def digits() -> Images:
    """(N, 1, 8, 8) with labels 0 to 9, read once per process."""
    rows = np.loadtxt(bundled("data", "digits.csv.gz"), delimiter=",")  # 64 pixels and a label
    pictures, labels_N = (rows[:, :-1].reshape(-1, 1, 8, 8) / SHADES).astype(np.float32), rows[:, -1].astype(np.int64)
    aside = held_out(pictures)
    digest = hashlib.sha256(pictures.tobytes() + labels_N.tobytes()).hexdigest()
    labels = (labels_N[~aside], labels_N[aside])
    return normalised("scikit-learn digits", pictures[~aside], pictures[aside], digest, labels)
