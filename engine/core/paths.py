"""Where things lie: the root of the installation, and the folder of the data."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def data_folder() -> Path:
    """`FAULTLINE_DATA`, where `~` is the home folder, or `data/` beside the package."""
    named = os.environ.get("FAULTLINE_DATA")
    return Path(os.path.expanduser(named)) if named else ROOT / "data"


def private_folder(path: Path) -> Path:
    """`path` as a folder, made with its parents where it is missing; what is made here only its owner may enter (mode 700)."""
    for folder in (*reversed(path.parents), path):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
    return path
