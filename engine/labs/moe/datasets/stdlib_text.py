"""Real text that every machine already has: the source of the Python standard library, as bytes.

Files in the order of their sorted paths, joined end to end; every 20th file is validation, so that
no file is in both.  The text changes with the Python version, hence its hash goes into provenance.

Shapes: B sequences, L bytes each.
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

EXCLUDED = frozenset({"test", "tests", "idlelib", "turtledemo", "lib2to3", "site-packages", "__pycache__"})
EVERY = 20  # one file in so many is validation


@dataclass(frozen=True)
class Text:
    """Both splits as uint8 arrays, and which files they came from."""

    train: np.ndarray
    validation: np.ndarray
    train_files: tuple[str, ...]
    validation_files: tuple[str, ...]
    sha256: str

    def provenance(self) -> dict[str, object]:
        return {
            "text": "Python standard library",
            "files": len(self.train_files) + len(self.validation_files),
            "train_bytes": len(self.train),
            "validation_bytes": len(self.validation),
            "sha256": self.sha256,
        }


def source_files(root: Path) -> list[str]:
    """Paths of the .py files under `root`, relative, with forward slashes, sorted; folders in EXCLUDED are left out at any depth."""
    found: list[str] = []
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if name not in EXCLUDED]
        found += [Path(folder, name).relative_to(root).as_posix() for name in files if name.endswith(".py")]
    return sorted(found)


@cache
def stdlib_text(root: Path | None = None) -> Text:
    """The text under `root` (default: this Python's standard library), read once per process.  FileNotFoundError if there is none."""
    root = root or Path(sysconfig.get_paths()["stdlib"])
    names = source_files(root)
    if len(names) < EVERY:
        raise FileNotFoundError(
            f"The text of this lab is the source of Python's standard library, but {root} holds {len(names)} .py files; "
            f"run with a Python that was installed with its source."
        )
    digest = hashlib.sha256()
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for i, name in enumerate(names):
        content = (root / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
        parts[i % EVERY == EVERY - 1].append(content)
    train, validation = (np.frombuffer(b"".join(part), dtype=np.uint8) for part in parts)
    held_out = tuple(names[EVERY - 1 :: EVERY])
    return Text(train, validation, tuple(n for n in names if n not in set(held_out)), held_out, digest.hexdigest())


def windows(text: np.ndarray, starts: np.ndarray, length: int) -> dict[str, Tensor]:
    """`length` bytes from each start, and the byte after each of them -> {"inputs": (B, L), "targets": (B, L)}, int64."""
    index = starts[:, None] + np.arange(length + 1)
    bytes_BL = torch.from_numpy(text[index].astype(np.int64))
    return {"inputs": bytes_BL[:, :-1].contiguous(), "targets": bytes_BL[:, 1:].contiguous()}
