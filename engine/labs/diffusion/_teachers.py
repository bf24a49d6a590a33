"""Trained teachers that runs share: `data/cache/<hash of the declaration>/teacher.pt`.

The key is the hash of everything that decides the weights, so that a teacher is never mistaken for another.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.paths import data_folder
from engine.declare.knobs import Flat
from engine.labs.common import weights_cache

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.diffusion.models.flows import Velocity

SILENT = frozenset({"probes", "on_divergence", "device", "threads", "kernels", "data_seed"})  # knobs that change no teacher's meaning


def key(declaration: Flat) -> str:
    """Of a flat declaration; knobs that decide nothing of the weights are left out."""
    return weights_cache.key({name: value for name, value in declaration.items() if name not in SILENT})


def file_of(declaration: Flat) -> Path:
    """Where the teacher of that declaration lies, or would."""
    return weights_cache.file_of(key(declaration), "teacher")


def save(declaration: Flat, weights: dict[str, Tensor]) -> Path:
    """Keep the weights; -> where."""
    path = file_of(declaration)
    weights_cache.save(path, weights, declaration)
    return path


def load(declaration: Flat) -> dict[str, Tensor] | None:
    """The weights of that teacher, on the CPU, or None where nobody has trained it here."""
    return weights_cache.load(file_of(declaration))


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
