"""The key of the code: what is computed from the code is kept under it, and is computed again when a file changes."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from engine.core.device import torch_build
from engine.core.paths import ROOT


def key(root: Path = ROOT) -> str:
    """Changes with every file of engine/ and kernels/, and with the Python and torch versions.

    Pages ask it at every move of a slider, so the files are read again only when one looks different from outside.
    """
    return _digest(root, tuple(sorted(_files(root))))


def _files(root: Path) -> Iterator[tuple[str, int, int, int]]:
    """Name and looks (time of writing in ns, bytes, inode) of every file that counts."""
    for house in ("engine", "kernels"):
        for folder, below, names in os.walk(root / house):
            below[:] = [name for name in below if not name.startswith((".", "__pycache__"))]
            for name in names:
                if not name.startswith("."):
                    path = os.path.join(folder, name)
                    try:
                        found = os.stat(path)
                    except FileNotFoundError:  # an editor's short-lived file
                        continue
                    yield path, found.st_mtime_ns, found.st_size, found.st_ino


@functools.lru_cache(maxsize=4)
def _digest(root: Path, files: tuple[tuple[str, int, int, int], ...]) -> str:
    digest = hashlib.sha256(f"{platform.python_version()} {torch_build()}".encode())
    for name, *_ in files:
        path = Path(name)
        digest.update(f"\n{path.relative_to(root)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]
