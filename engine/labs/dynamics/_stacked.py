"""Many runs of the lab `trainability` in one go: those of one network by the lines that make a tile of its map.

Members with other seeds have another network, so each network is a group of its own in the same process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.labs.dynamics.models.descent import RATES, Descent
from engine.labs.play import PlayContext, Played
from engine.labs.probe import Reading

if TYPE_CHECKING:
    from engine.labs.dynamics.trainability import Trainability


class _Group:
    """The runs that share a network and the factor of a step; `places`: where they stand among all."""

    def __init__(self, places: Sequence[int], labs: Sequence[Trainability], contexts: Sequence[PlayContext]) -> None:
        self.places, self.lab = list(places), labs[places[0]]
        rates = {name: np.array([getattr(labs[n], name) for n in places]) for name in RATES}
        self.descent = Descent(self.lab.network(), rates)
        given = [contexts[n].state for n in places]
        if given[0] is not None:
            rows = {name: np.stack([state[name].numpy()[0] for state in given]) for name in given[0]}
            self.descent.load(rows, contexts[places[0]].done)
        for row, n in enumerate(places):
            contexts[n].state = {name: torch.from_numpy(array[row : row + 1]) for name, array in self.descent.state().items()}

    def step(self, number: int) -> tuple[Any, Any]:
        return torch.from_numpy(self.descent.step(self.lab.learning_rate(number))), torch.from_numpy(self.descent.value_N)


def stacked_play(labs: Sequence[Trainability], contexts: Sequence[PlayContext]) -> Iterator[Sequence[Played]]:
    """As engine.labs.stacking.PlaysStacked asks for."""
    members: dict[Any, list[int]] = {}
    for n, lab in enumerate(labs):
        members.setdefault((lab.network(), lab.lr, lab.warmup), []).append(n)
    groups = [_Group(places, labs, contexts) for places in members.values()]
    for number in range(contexts[0].done, contexts[0].steps):
        out: list[Played] = [Played()] * len(labs)
        for group in groups:
            loss_N, value_N = group.step(number)
            for row, n in enumerate(group.places):
                out[n] = Played([Reading("loss/train", loss_N[row])], batch={"value": value_N[row]})
        yield out
