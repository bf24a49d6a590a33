"""What the image labs train on: pictures normalised to mean 0 and standard deviation 1, and the way back to pixels.

Shapes: N pictures, C channels (1 grey, 3 RGB), H, W pixels.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Images:
    """Both splits, fp32.  One mean and one deviation for all pixels, those of the training split: x = (pixel - mean) / deviation."""

    name: str
    train_NCHW: Tensor
    validation_NCHW: Tensor
    mean: float  # of pixels in [0, 1]
    deviation: float
    sha256: str  # of the pixels before the split
    train_labels_N: Tensor | None = None
    validation_labels_N: Tensor | None = None

    def pixels(self, x: Tensor) -> Tensor:
        """Normalised values of any shape -> brightness in [0, 1]; what lies outside is cut off, a NaN stays one."""
        return (x * self.deviation + self.mean).clamp(0.0, 1.0)

    def provenance(self) -> dict[str, Any]:
        return {
            "images": self.name,
            "shape": list(self.train_NCHW.shape[1:]),
            "train": len(self.train_NCHW),
            "validation": len(self.validation_NCHW),
            "sha256": self.sha256,
        }


def bundled(*parts: str) -> Path:
    """A file that comes with scikit-learn, found without importing it: that takes two seconds and loads pandas where there is one."""
    spec = importlib.util.find_spec("sklearn")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, "datasets", *parts)
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"{parts[-1]} comes with scikit-learn, but no installed scikit-learn has it; install scikit-learn 1.6 or later."
    )


def held_out(pictures_NCHW: np.ndarray, one_in: int = 8) -> np.ndarray:
    """-> (N,) bool, true for validation: decided by the hash of each picture alone, so that equal pictures are on the same side."""
    return np.array([hashlib.sha256(np.ascontiguousarray(picture).tobytes()).digest()[0] % one_in == 0 for picture in pictures_NCHW])


def normalised(
    name: str, train: np.ndarray, validation: np.ndarray, sha256: str, labels: tuple[np.ndarray, np.ndarray] | None = None
) -> Images:
    """From brightness in [0, 1], (N, C, H, W) each."""
    mean, deviation = float(train.mean(dtype=np.float64)), float(train.std(dtype=np.float64))
    both = [torch.from_numpy(((part - mean) / deviation).astype(np.float32)) for part in (train, validation)]
    both_labels = [torch.from_numpy(part.astype(np.int64)) for part in labels] if labels else [None, None]
    return Images(name, *both, mean, deviation, sha256, *both_labels)
