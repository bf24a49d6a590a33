"""Trained networks that runs share: `data/cache/<key>/<name>.pt`, with what decided them beside it.

The key is a hash of everything that decides the weights, so that one artefact is never mistaken for another.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.files import replace, write_json
from engine.core.paths import data_folder

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from torch import Tensor


def key(decides: Mapping[str, Any]) -> str:
    """Of everything that decides the weights: plain values by name."""
    return hashlib.sha256(json.dumps(dict(decides), sort_keys=True).encode()).hexdigest()[:20]


def file_of(key: str, name: str) -> Path:
    """Where the weights of that key lie, or would."""
    return data_folder() / "cache" / key / f"{name}.pt"


def save(path: Path, weights: Mapping[str, Tensor], declaration: Mapping[str, Any]) -> None:
    """All of the weights or none; the declaration lies next to them, for people.  A full disk costs the next run the time, not this one."""
    import torch

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, lambda beside: torch.save({name: tensor.detach().cpu() for name, tensor in weights.items()}, beside))
        write_json(path.with_name("declaration.json"), dict(declaration))
    except (OSError, RuntimeError) as error:  # torch tells a full disk as RuntimeError
        log.warning("%s could not be kept for other runs: %s", path, error)


def load(path: Path) -> dict[str, Tensor] | None:
    """The weights at `path`, on the CPU, or None where there are none."""
    import torch

    return torch.load(path, map_location="cpu", weights_only=True) if path.is_file() else None
