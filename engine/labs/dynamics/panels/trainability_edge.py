"""Panel: the theory line over the trainability map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.labs.dynamics.panels._setting import View
from engine.labs.panel import Frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = ((16, 33), (32, 21), (64, 13))  # up to a width: points on each side of the grid on which the line is found, within about a second


class TrainabilityEdge(View):
    title = "Where the linearised network stops training"
    about = "Theory: the edge of gradient descent on the network linearised at its initial weights; the real boundary lies elsewhere."
    formula = r"\lambda_{\max}\!\Big(\tfrac2M\big(\eta_\mathrm{in}K_\mathrm{in}+\eta_\mathrm{out}K_\mathrm{out}\big)\Big)=2"
    paper = "Lee et al. 2019 (arXiv 1902.06720)"
    order = 12

    def compute(self) -> Frames:
        """-> "edge": segments of the line as logarithms to base 10, `x0`, `y0`, `x1`, `y1`; none where it leaves the view.

        The learning rates are those after a warm-up.  ValueError, in one sentence, for two equal axes.
        """
        import numpy as np

        from engine.labs.dynamics.models.edge import STABLE, crossings

        self.check_axes()
        points = next(count for width, count in GRID if self.width <= width)
        halves = np.linspace(-0.5, 0.5, points)
        x, y = np.log10(self.centre_x) + self.decades_x * halves, np.log10(self.centre_y) + self.decades_y * halves
        with np.errstate(all="ignore"):
            over_YX = np.log10(self._over(10.0**x, 10.0**y))
        segments = crossings(x, y, np.nan_to_num(over_YX, nan=1e300, posinf=1e300, neginf=-1e300), float(np.log10(STABLE)))
        return {"edge": {name: [segment[n] for segment in segments] for n, name in enumerate(("x0", "y0", "x1", "y1"))}}

    def _over(self, x: NDArray, y: NDArray) -> NDArray:
        """The sharpness at every point of the grid, one row after another."""
        import numpy as np

        from engine.labs.dynamics.models.edge import kernels, sharpness

        network = self.training().network()
        known: dict[tuple[float, float], tuple[NDArray, NDArray]] = {}
        rows = []
        for value in y:
            points = [
                {**{name: getattr(self, name) for name in ("lr_in", "lr_out", "init_in", "init_out")}, self.x: one, self.y: value}
                for one in x
            ]
            pairs = [(point["init_in"], point["init_out"]) for point in points]
            for pair in dict.fromkeys(pairs):
                known.setdefault(pair, kernels(network, *pair))
            of = [np.stack([known[pair][n] for pair in pairs]) for n in (0, 1)]
            rates = [self.lr * np.array([point[name] for point in points]) for name in ("lr_in", "lr_out")]
            rows.append(sharpness(*of, *rates))
        return np.stack(rows)
