"""Lab `trainability`: gradient descent on a small network, which trains or diverges by two learning rates.

It plays (engine/labs/play.py): a training here is one cell of the trainability map, computed by the same lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from engine.declare.knobs import knob, question
from engine.labs.dynamics._trainability_presets import PRESETS
from engine.labs.dynamics.remedies.optimizer import Descent
from engine.labs.lab import Lab
from engine.labs.play import PlayContext, Played
from engine.labs.probe import Reading

if TYPE_CHECKING:
    from engine.labs.dynamics.models.descent import Network, Rates

PAPER = "arXiv 2402.06184"
WHERE = {"ge": 1e-12, "le": 1e12, "group": "stressor"}


class Trainability(Lab):
    title = "Trainability"
    icon = ":material/blur_on:"
    papers = (PAPER,)
    provides = frozenset({"play", "stacked_play", "trainability"})
    headline = ("trainability/value",)
    presets = PRESETS

    data_seed: int | None = knob(None, "seed of samples and targets; empty means the same as seed", ge=0, le=2**31 - 1)
    steps: int = knob(200, "optimizer steps", unit="steps", ge=1, le=1_000_000)
    device: Literal["cpu"] = knob("cpu", "where to train: on the CPU, as the map does, so that a run has the bits of its cell")
    precision: Literal["fp64"] = knob("fp64", "number format; at float32 the boundary blurs when one zooms in", group="size")
    optimizer: Descent = question(Descent, "gradient_descent", "Which rule turns gradients into a step?", group="training")
    lr: float = knob(1.0, "factor on both learning rates", ge=0.0, le=1e4, group="stressor")
    warmup: int = knob(0, "steps over which both learning rates rise linearly from 0", unit="steps", ge=0, le=100_000)
    clip: float = knob(0.0, "gradients are never scaled down here, so only 0 is allowed", ge=0.0, le=0.0)
    on_divergence: Literal["stop", "continue"] = knob("continue", "what happens when the divergence rule fires; a cell of the map goes on")

    lr_in: float = knob(30.0, "learning rate of the hidden layers", source=f"{PAPER}: one axis of its maps", **WHERE)
    lr_out: float = knob(30.0, "learning rate of the last layer", source=f"{PAPER}: the other axis", **WHERE)
    init_in: float = knob(1.0, "standard deviation of the initial weights of the hidden layers", source=f"{PAPER}: 1", **WHERE)
    init_out: float = knob(1.0, "standard deviation of the initial weights of the last layer", source=f"{PAPER}: 1", **WHERE)
    depth: int = knob(1, "hidden layers with tanh", unit="layers", ge=1, le=8, group="size", source=f"{PAPER}: 1")
    width: int = knob(16, "inputs, neurons of each hidden layer and samples", ge=2, le=64, group="size", source=f"{PAPER}: 16")

    def network(self) -> Network:
        """What this training shares with every other cell of its map."""
        from engine.labs.dynamics.models.descent import Network

        return Network(self.width, self.depth, self.seed, self.seed if self.data_seed is None else self.data_seed)

    def rates(self) -> Rates:
        """The rates of this one training, (1,) each."""
        import numpy as np

        from engine.labs.dynamics.models.descent import RATES

        return {name: np.array([getattr(self, name)]) for name in RATES}

    def play(self, ctx: PlayContext) -> Iterator[Played]:
        """One cell of the map, step by step, with the loss before each step."""
        import torch

        from engine.labs.dynamics.models.descent import Descent as Trainings

        training = Trainings(self.network(), self.rates())
        if ctx.state is not None:
            training.load({name: tensor.numpy() for name, tensor in ctx.state.items()}, ctx.done)
        ctx.state = {name: torch.from_numpy(array) for name, array in training.state().items()}
        for step in range(ctx.done, ctx.steps):
            loss_N = training.step(self.learning_rate(step))
            yield Played([Reading("loss/train", torch.from_numpy(loss_N)[0])], batch={"value": torch.from_numpy(training.value_N)[0]})

    def stacked_play(self, labs: Any, contexts: Any) -> Any:
        """The same of many runs in one go, bit for bit."""
        from engine.labs.dynamics._stacked import stacked_play

        return stacked_play(labs, contexts)

    def provenance(self) -> dict[str, Any]:
        """The library that multiplies decides the last bits."""
        import numpy as np

        return {"numpy": np.__version__}
