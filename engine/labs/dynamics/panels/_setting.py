"""What the cells of a trainability map have in common, as knobs of the panels that compute them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from engine.declare.knobs import knob
from engine.labs.panel import Panel

if TYPE_CHECKING:
    from engine.labs.dynamics.trainability import Trainability

Axis = Literal["lr_in", "lr_out", "init_in", "init_out"]
LOW, HIGH = 1e-8, 1e8  # of what a panel is asked for; a view reaches further to both sides


class Setting(Panel):
    """One training of the lab, of which a map changes two numbers."""

    labs = ("trainability",)
    page = "map"
    formula = (
        r"\frac1T\sum_{t<T}\min\!\left(\frac{L_t}{L_0},10^6\right),\quad "
        r"L=\frac1n\sum_i\Big(y_i-\tfrac1n\,v\cdot\tanh\!\big(\sqrt{\tfrac2n}\,Wx_i\big)\Big)^2"
    )
    paper = "Sohl-Dickstein 2024 (arXiv 2402.06184)"
    reading = "paper"
    own: ClassVar[tuple[str, ...]] = ("lr_in", "lr_out", "init_in", "init_out", "depth", "width", "steps", "lr", "warmup", "seed")

    lr_in: float = knob(30.0, "learning rate of the hidden layers", ge=LOW, le=HIGH)
    lr_out: float = knob(30.0, "learning rate of the last layer", ge=LOW, le=HIGH)
    init_in: float = knob(1.0, "standard deviation of the initial weights of the hidden layers", ge=LOW, le=HIGH)
    init_out: float = knob(1.0, "standard deviation of the initial weights of the last layer", ge=LOW, le=HIGH)
    depth: int = knob(1, "hidden layers with tanh", unit="layers", ge=1, le=8)
    width: int = knob(16, "inputs, neurons of each hidden layer and samples", ge=2, le=64)
    steps: int = knob(200, "optimizer steps", unit="steps", ge=1, le=1000)
    lr: float = knob(1.0, "factor on both learning rates", ge=0.0, le=1e4)
    warmup: int = knob(0, "steps over which both learning rates rise linearly from 0", unit="steps", ge=0, le=1000)
    seed: int = knob(0, "seed of initial weights, samples and targets", ge=0, le=2**31 - 1)

    def training(self) -> Trainability:
        """The lab with these knobs: what it says of network and learning rates holds for every cell."""
        from engine.labs.dynamics.trainability import Trainability

        values: dict[str, Any] = {name: getattr(self, name) for name in self.own}
        return Trainability.model_validate(values)


class View(Setting):
    """Two of its numbers are the axes of a view, both on a logarithmic scale."""

    x: Axis = knob("lr_in", "what grows to the right")
    y: Axis = knob("lr_out", "what grows upwards")
    centre_x: float = knob(300.0, "value of x in the middle of the view", ge=LOW, le=HIGH)
    centre_y: float = knob(100.0, "value of y in the middle of the view", ge=LOW, le=HIGH)
    decades_x: float = knob(5.0, "width of the view in decades", unit="decades", ge=1e-16, le=8.0)
    decades_y: float = knob(5.0, "height of the view in decades", unit="decades", ge=1e-16, le=8.0)

    def check_axes(self) -> None:
        """ValueError, in one sentence, for two equal axes."""
        if self.x == self.y:
            raise ValueError(f"x and y are both {self.x}; choose two different ones.")
