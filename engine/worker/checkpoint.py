"""A checkpoint: everything that a new attempt needs to go on as if the run had never stopped."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.core.files import replace

VERSION = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """There is the old checkpoint or the new one, never half of one, even where the machine goes down."""

    def write(beside: Path) -> None:
        with open(beside, "wb") as file:
            torch.save({"version": VERSION, **state}, file)
            file.flush()
            os.fsync(file.fileno())

    path.parent.mkdir(exist_ok=True)
    replace(path, write, alone=True)


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint at `path`, on the CPU, or None where there is none.  Holds tensors and plain values only."""
    if not path.is_file():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["version"] != VERSION:
        raise ValueError(f"{path.name} has version {state['version']}; this engine reads version {VERSION}.")
    return state


def seed_everything(seed: int) -> None:
    """The global generators of Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def generators() -> dict[str, Any]:
    """The state of the global generators."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (str(kind), torch.from_numpy(keys.astype(np.int64)), int(position), int(has_gauss), float(gauss)),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_generators(state: dict[str, Any]) -> None:
    """The inverse of `generators`."""
    random.setstate(state["python"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
