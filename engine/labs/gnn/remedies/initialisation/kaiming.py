"""Weights whose variance makes up for what relu throws away."""

from __future__ import annotations

import math

from engine.labs.gnn.remedies.initialisation import Initialisation


class Kaiming(Initialisation):
    idea = "The variance that a sum over the inputs asks for, doubled, since relu sets the negative half of the states to zero."
    formula = r"W\sim U(-a,a),\quad a=\sqrt{6/d_{\mathrm{in}}}"
    paper = "He, Zhang, Ren and Sun, ICCV 2015, arXiv 1502.01852"
    cost = "Nothing."
    fails = "It counts one input per state; what a graph layer's mean over neighbours does to the variance is not in its formula."
    reading = "paper"
    source = "eq. 10"

    def limit(self, fan_in: int, fan_out: int) -> float:
        return math.sqrt(6.0 / fan_in)
