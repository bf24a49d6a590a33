"""Trained teachers that runs share: `data/cache/<hash of the declaration>/teacher.pt`.

The key is the hash of everything that decides the weights, so that a teacher is never mistaken for another.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.folder import data_folder, write_json
from engine.knobs import Flat

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.models.flows import Velocity

SILENT = frozenset({"probes", "on_divergence", "device", "threads", "kernels", "data_seed"})  # knobs that change no teacher's meaning


def key(declaration: Flat) -> str:
    """Of a flat declaration; knobs that decide nothing of the weights are left out."""
    kept = {name: value for name, value in declaration.items() if name not in SILENT}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:20]


def place(declaration: Flat) -> Path:
    """Where the teacher of that declaration lies, or would."""
    return data_folder() / "cache" / key(declaration) / "teacher.pt"


def save(declaration: Flat, weights: dict[str, Tensor]) -> Path:
    """Write the weights beside their place and rename; the declaration lies next to them, for people."""
    import torch

    path = place(declaration)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{os.getpid()}.{secrets.token_hex(3)}")
    try:
        torch.save({name: tensor.detach().cpu() for name, tensor in weights.items()}, beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    write_json(path.with_name("declaration.json"), dict(declaration))
    return path


def load(declaration: Flat) -> dict[str, Any] | None:
    """The weights of that teacher, on the CPU, or None where nobody has trained it here."""
    import torch

    path = place(declaration)
    return torch.load(path, map_location="cpu", weights_only=True) if path.is_file() else None


_made: dict[str, nn.Module] = {}  # teachers already read by this process


def network(lab: Any) -> nn.Module | None:
    """The trained network of the diffusion run that `lab` declares, or None where nobody has trained it here."""
    name = f"{data_folder()}/{key(lab.flat())}"
    if name not in _made:
        weights = load(lab.flat())
        if weights is None:
            return None
        made = lab.network()
        made.load_state_dict({**made.state_dict(), **weights})  # the average has the parameters; the frequencies come from the seed
        _made[name] = made.eval().requires_grad_(False)
    return _made[name]


def velocity(lab: Any) -> Velocity | None:
    """The same as a velocity in TrigFlow."""
    made = network(lab)
    if made is None:
        return None

    def field(y_BD: Tensor, t_B: Tensor) -> Tensor:
        return made.to(y_BD.device)(y_BD, lab.objective.time_input(t_B))

    return field
