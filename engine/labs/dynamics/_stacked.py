"""Many runs of the lab `trainability` in one go, each with a network and rates of its own, by the lines that make a tile of its map.

Shapes: N runs, M samples, D inputs, which is also the width of each hidden layer and the number of samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from engine.labs.dynamics.models.descent import RATES, Array, Descent, Network
from engine.labs.play import PlayContext, Played
from engine.labs.probe import Reading


class _PerRun(np.ndarray):
    """(N, M, …) whose length and transpose are those of the (M, …) of each run: what stands in Descent for the samples of one network."""

    @property
    def T(self) -> np.ndarray:  # type: ignore[override]
        return self.swapaxes(-1, -2)

    def __len__(self) -> int:
        return self.shape[-2]


class _Networks(Network):
    """Networks of one shape in the place of one."""

    def of(self, each: Sequence[Network]) -> _Networks:
        object.__setattr__(self, "each", tuple(each))
        return self

    def samples(self) -> tuple[Array, Array]:
        """-> x (N, M, D) and y (N, M, 1)."""
        x, y = zip(*(network.samples() for network in self.each), strict=True)  # type: ignore[attr-defined]
        return np.stack(x).view(_PerRun), np.stack(y).view(_PerRun)

    def weights(self) -> list[Array]:
        """-> `depth` times (N, D, D), then (N, D, 1)."""
        return [np.stack(layer) for layer in zip(*(network.weights() for network in self.each), strict=True)]  # type: ignore[attr-defined]


def trainings(labs: Sequence[Any]) -> Descent:
    networks = [lab.network() for lab in labs]
    rates = {name: np.array([getattr(lab, name) for lab in labs]) for name in RATES}
    return Descent(_Networks(networks[0].width, networks[0].depth).of(networks), rates)


def stacked_play(labs: Sequence[Any], contexts: Sequence[PlayContext]) -> Iterator[Sequence[Played]]:
    """As engine.labs.stacking.PlaysStacked asks for."""
    descent = trainings(labs)
    if contexts[0].state is not None:
        names = contexts[0].state
        descent.load({name: np.stack([ctx.state[name].numpy()[0] for ctx in contexts]) for name in names}, contexts[0].done)
    state = {name: torch.from_numpy(array) for name, array in descent.state().items()}
    for n, ctx in enumerate(contexts):
        ctx.state = {name: tensor[n : n + 1] for name, tensor in state.items()}
    for number in range(contexts[0].done, contexts[0].steps):
        factor_N11 = np.array([lab.learning_rate(number) for lab in labs])[:, None, None]
        losses = torch.from_numpy(descent.step(factor_N11)).unbind()  # type: ignore[arg-type]
        values = torch.from_numpy(descent.value_N).unbind()
        readings = zip(losses, values, strict=True)
        yield [Played([Reading("loss/train", loss)], batch={"value": value}) for loss, value in readings]
