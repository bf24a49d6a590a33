"""Panel: the loss curve of one cell of the trainability map."""

from __future__ import annotations

from engine.labs.dynamics.panels._setting import Setting
from engine.labs.panel import Frames


class TrainabilityCurve(Setting):
    title = "The loss of one cell"
    about = "What the loss of one training of the map does step by step, and the verdict that its colour shows."
    order = 11

    def compute(self) -> Frames:
        """-> "curve": `step` and the `loss` before it.  "cell": `value`, `verdict` ("trained" or "diverged") and the last loss `final`."""
        from engine.labs.dynamics.models.descent import Descent

        lab = self.training()
        training = Descent(lab.network(), lab.rates())
        losses = [float(training.step(lab.learning_rate(step))[0]) for step in range(lab.steps)]
        value = float(training.value_N[0])
        verdict = "diverged" if value > 1.0 else "trained"
        return {
            "curve": {"step": list(range(lab.steps)), "loss": losses},
            "cell": {"value": [value], "verdict": [verdict], "final": [losses[-1]]},
        }
