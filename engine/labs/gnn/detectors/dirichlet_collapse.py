"""Detector `dirichlet_collapse`: nodes that all say the same behind the last layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.labs.detector import Detector, Series
from engine.labs.gnn._verdict import SMOOTH
from engine.runs.event import Event

METRIC = "dirichlet_energy/ratio"


class DirichletCollapse(Detector):
    """Fires when the Dirichlet energy of the last layer has stood below 0.001 of the first layer's for 50 steps in a row: what the nodes
    knew apart is averaged away.  The limit is that of the verdict on the run page.

    It is a state and no event in time: a network that is too deep for its graph is there from its first step on, and it does not say
    that the task fails, for a node that is read alone may still answer.  A ratio that is not a number counts as below from the
    first on.  Fires once per episode: the ratio has to come back above the limit first."""

    watches = (METRIC,)
    kind = "collapse"
    lately = 1

    def update(self, step: int, readings: Mapping[str, float]) -> Sequence[Event]:
        """By the inverse of the ratio, which is too high where the ratio is too low."""
        if METRIC not in readings:
            return ()
        ratio = readings[METRIC]
        inverse = ratio if not math.isfinite(ratio) else math.inf if ratio <= 0.0 else 1.0 / ratio
        return [replace(event, value=ratio, threshold=SMOOTH) for event in super().update(step, {METRIC: inverse})]

    def threshold(self, name: str, step: int, value: float, s: Series) -> float:
        return 1.0 / SMOOTH

    def sentence(self, name: str, step: int, value: float, level: float, threshold: float, s: Series) -> str:
        if math.isnan(value):
            return f"{name} has been NaN or below {SMOOTH:g} for {self.long} steps; it is now NaN, so nothing is known of the nodes."
        kept = f"the last layer has kept less than {SMOOTH:g} of the first layer's Dirichlet energy"
        return f"For {self.long} steps {kept}: the nodes have come to say nearly the same."

    @classmethod
    def example(cls) -> tuple[list[dict[str, float]], list[int]]:
        """The ratio falls tenfold every 20 steps from step 30 on: it is below the limit from step 91 on."""
        return [{METRIC: 10.0 ** -max(0.0, (step - 30) / 20)} for step in range(200)], [140]
