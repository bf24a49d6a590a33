"""Weights whose variance is the mean of what forward and backward pass ask for."""

from __future__ import annotations

import math

from engine.labs.gnn.remedies.initialisation import Initialisation


class Xavier(Initialisation):
    idea = "Weights small enough that the sum over inputs, and backwards the one over outputs, keeps its variance; a compromise of the two."
    formula = r"W\sim U(-a,a),\quad a=\sqrt{6/(d_{\mathrm{in}}+d_{\mathrm{out}})}"
    paper = "Glorot and Bengio, AISTATS 2010"
    cost = "Nothing."
    fails = "By its formula it is made for layers without a kink and without a mean over neighbours: neither is counted."
    reading = "paper"
    source = "eq. 16"

    def limit(self, fan_in: int, fan_out: int) -> float:
        return math.sqrt(6.0 / (fan_in + fan_out))
