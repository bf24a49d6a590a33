"""Gradient descent on the whole data set, with a learning rate for each group of weights."""

from __future__ import annotations

from engine.labs.dynamics.remedies.optimizer import Descent


class GradientDescent(Descent):
    """Differs: from the optimizer `sgd` of other labs in that it has two learning rates, which are knobs of the lab."""

    idea = "Move every weight against the gradient of the loss over all samples; hidden layers and the last layer have a rate each."
    formula = r"W\leftarrow W-\eta_{\mathrm{in}}\nabla_W L,\quad v\leftarrow v-\eta_{\mathrm{out}}\nabla_v L"
    paper = "Sohl-Dickstein 2024 (arXiv 2402.06184)"
    cost = "One pass forward and one backward over all samples a step."
    fails = "By its formula each step overshoots further where a rate is above `2/λ`, λ being the largest curvature of the loss there."
    reading = "paper"
    source = "arXiv 2402.06184, section 2: full-batch steepest descent; the iteration of Cauchy 1847"
