"""Panel: one tile of the trainability map, many trainings side by side."""

from __future__ import annotations

import json

from engine.declare.knobs import knob
from engine.labs.dynamics.panels._setting import View
from engine.labs.panel import Frames


class TrainabilityMap(View):
    title = "The trainability map"
    about = "Each cell is a training: one colour for those that train, others for those that diverge, and a ragged boundary between them."
    order = 10

    cells: int = knob(16, "cells on each side of the view", ge=1, le=256)
    tile: int = knob(16, "cells on each side of the tile", ge=1, le=32)
    column: int = knob(0, "which tile from the left, from 0", ge=0, le=255)
    row: int = knob(0, "which tile from below, from 0", ge=0, le=255)

    def compute(self) -> Frames:
        """The trainings of one tile of the view, in float64.

        -> "x" and "y": the `rate` of each column and of each row of the tile, ascending.  "cells": `value`, the mean of the capped loss
        ratios, above 1 where the training diverged, and the last loss `final`, row by row from below.
        """
        from engine.labs.dynamics.models.view import WORK, rates, tile_side, work

        self.check_axes()
        if (self.column + 1) * self.tile > self.cells or (self.row + 1) * self.tile > self.cells:
            raise ValueError(
                f"A view of {self.cells} cells on each side has no tile {self.column}, {self.row} of {self.tile}; give smaller ones."
            )
        if self.tile**2 * work(self.width, self.depth, self.steps) > WORK:
            side = tile_side(self.width, self.depth, self.steps)
            raise ValueError(f"A tile of {self.tile} cells on each side would take too long with these settings; give {side} at most.")
        x = rates(self.centre_x, self.decades_x, self.cells)[self.column * self.tile :][: self.tile]
        y = rates(self.centre_y, self.decades_y, self.cells)[self.row * self.tile :][: self.tile]
        value_N, final_N = self._trained(x, y)
        return {"x": {"rate": x}, "y": {"rate": y}, "cells": {"value": value_N, "final": final_N}}

    def _trained(self, x: list[float], y: list[float]) -> tuple[list[float], list[float]]:
        import numpy as np

        from engine.labs.dynamics import _map_cache
        from engine.labs.dynamics.models.descent import RATES, tile

        lab = self.training()
        fixed = {name: getattr(lab, name) for name in self.own if name not in (self.x, self.y)}
        question = json.dumps([self.x, self.y, x, y, fixed])
        kept = _map_cache.read(question)
        if kept is None or kept.shape != (2, len(x) * len(y)):
            cells = {name: np.full(len(x) * len(y), getattr(lab, name)) for name in RATES}
            cells |= {self.x: np.tile(x, len(y)), self.y: np.repeat(y, len(x))}
            kept = np.stack(tile(cells, lab.network(), lab.steps, lab.learning_rate))
            _map_cache.write(question, kept)
        value_N, final_N = kept.tolist()
        return value_N, final_N
