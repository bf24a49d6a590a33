"""Square patches of the two photographs that come with scikit-learn, a temple and a flower, in colour.

Patches overlap, so the split is by place: the right fifth of each photograph is validation, and no
pixel is in both.  The photographs are halved in size first; otherwise a small patch is mostly a smooth surface.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from engine.labs.diffusion.datasets.images import Images, bundled, normalised

PHOTOGRAPHS = ("china.jpg", "flower.jpg")
SHRINK = 2
TRAIN_SHARE = 0.8  # of the width
STRIDE = 4  # pixels between neighbouring training patches
SIZES = (8, 16, 32)


@cache
def photo_patches(size: int) -> Images:
    """(N, 3, size, size), labelled by photograph: training patches every 4 pixels, validation patches side by side.

    ValueError for a size not in SIZES.
    """
    from PIL import Image

    if size not in SIZES:
        raise ValueError(f"Patches of {size} pixels are not offered; give one of {', '.join(map(str, SIZES))}.")
    photographs = [halved(np.asarray(Image.open(bundled("images", name)))) for name in PHOTOGRAPHS]
    digest = hashlib.sha256(b"".join(photo.tobytes() for photo in photographs)).hexdigest()
    edges = [int(TRAIN_SHARE * photo.shape[1]) for photo in photographs]
    train = [patches(photo[:, :edge], size, STRIDE) for photo, edge in zip(photographs, edges, strict=True)]
    validation = [patches(photo[:, edge:], size, size) for photo, edge in zip(photographs, edges, strict=True)]
    labels = tuple(np.repeat(np.arange(len(photographs)), [len(part) for part in parts]) for parts in (train, validation))
    name = f"patches of {size} x {size} of scikit-learn's photographs"
    return normalised(name, np.concatenate(train), np.concatenate(validation), digest, labels)


def halved(photo_HW3: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> brightness in [0, 1], fp32, each pixel the mean of a 2 × 2 square."""
    H, W, C = (photo_HW3.shape[0] // SHRINK, photo_HW3.shape[1] // SHRINK, photo_HW3.shape[2])
    squares = photo_HW3[: H * SHRINK, : W * SHRINK].reshape(H, SHRINK, W, SHRINK, C)
    return (squares.mean(axis=(1, 3)) / 255.0).astype(np.float32)


def patches(photo_HWC: np.ndarray, size: int, stride: int) -> np.ndarray:
    """Every patch that begins at a multiple of `stride` -> (N, C, size, size), row by row."""
    windows = np.lib.stride_tricks.sliding_window_view(photo_HWC, (size, size), axis=(0, 1))[::stride, ::stride]
    return np.ascontiguousarray(windows.reshape(-1, *windows.shape[2:]))
