"""CIFAR-10 (Krizhevsky 2009), 32 × 32 in colour, where somebody has put it: nothing is fetched.

Read in its binary version, which needs no unpickling: 1 label byte, then 3,072 bytes of red, green and blue planes.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from engine.labs.diffusion.datasets.images import Images, normalised

SHAPE = (3, 32, 32)
ROW = 1 + 3 * 32 * 32
FILES = tuple(f"data_batch_{n}.bin" for n in range(1, 6))


@cache
def cifar10(sets: Path | None = None) -> Images:
    """The five training files for training, the test file for validation.  FileNotFoundError, in one sentence, where they are not.

    `sets`: the folder of data sets, by default `sets/` in the data folder.
    """
    from engine.core.paths import data_folder

    sets = sets or data_folder() / "sets"
    places = [sets / "cifar10", sets / "cifar10" / "cifar-10-batches-bin"]
    folder = next((place for place in places if all((place / name).is_file() for name in (*FILES, "test_batch.bin"))), None)
    if folder is None:
        raise FileNotFoundError(
            f"CIFAR-10 is not in {places[0]}; put data_batch_1.bin to data_batch_5.bin and test_batch.bin of its binary version there, "
            f"or choose data=patches_32, which needs no file."
        )
    train, validation = ([rows(folder / name) for name in names] for names in (FILES, ("test_batch.bin",)))
    digest = hashlib.sha256(b"".join(part.tobytes() for part in [*train, *validation])).hexdigest()
    both = [np.concatenate(parts) for parts in (train, validation)]
    pictures = [part[:, 1:].reshape(-1, *SHAPE).astype(np.float32) / 255.0 for part in both]
    return normalised("CIFAR-10", *pictures, digest, (both[0][:, 0], both[1][:, 0]))


def rows(path: Path) -> np.ndarray:
    """uint8 (N, 3073) of one file; ValueError for a file of another length."""
    found = np.fromfile(path, dtype=np.uint8)
    if not len(found) or len(found) % ROW:
        raise ValueError(f"{path.name} has {len(found)} bytes, which is no multiple of {ROW}: it is not CIFAR-10's binary version.")
    return found.reshape(-1, ROW)
