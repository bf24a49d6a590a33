"""The optimizers take the steps of the papers: SPAM those of its authors' code, AdamW and SGD the published equations in float64."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.labs.optimizer.adamw import AdamW
from engine.labs.optimizer.sgd import SGD
from engine.labs.optimizer.spam import Spam
from tests.support.authors import recorded, same, tensor

GIVEN, TOLD = recorded("spam")
KNOBS = {name: GIVEN[name] for name in ("theta", "interval", "reset_warmup", "quiet", "eps")}
RUNS = {
    "theta_5000": KNOBS,
    "theta_20_first_75": KNOBS | {"theta": 20.0},
    "weight_decay_0.1_first_60": KNOBS | {"weight_decay": 0.1},
    "defaults_first_40": {},
}


def updates(optimizer: torch.optim.Optimizer, parameter: nn.Parameter, gradients: Tensor) -> tuple[Tensor, list[int]]:
    """-> the parameter after each update, and how many coordinates each clipped."""
    weights, clipped = [], []
    for g in gradients:
        parameter.grad = g.clone()
        optimizer.step()
        weights.append(parameter.detach().clone())
        clipped.append(int(getattr(optimizer, "clipped", None) or 0))
    return torch.stack(weights), clipped


def moved(knobs: Any, lr: float, gradients: Tensor) -> tuple[Tensor, list[int]]:
    parameter = nn.Parameter(tensor(GIVEN["weights_start"]))
    return updates(knobs.build([("p", parameter)], lr), parameter, gradients)


@pytest.mark.parametrize("name", RUNS)
def test_every_update_of_spam_is_that_of_the_authors_code(name: str) -> None:
    told = TOLD[name]
    gradients = tensor(GIVEN["gradients"])[: len(told["weights_after"])]
    found, clipped = moved(Spam(**RUNS[name]), 1e-3 if name.startswith("defaults") else GIVEN["lr"], gradients)
    if "clipped" in told:
        expected = {one["update"]: len(one["coordinates"]) for one in told["clipped"]}
        assert {n + 1: count for n, count in enumerate(clipped) if count} == expected
    same(found, told["weights_after"])


def test_without_clipping_spam_follows_the_curve_of_its_warm_up() -> None:
    from engine.labs.optimizer._spike_aware_adam import warmed_up

    for steps in (15, 150):
        same(tensor([warmed_up(k, steps) for k in range(steps + 2)]), TOLD[f"warm_up_curve_{steps}"][: steps + 2])


def test_adamw_is_algorithm_2_of_its_paper_with_the_decay_times_the_learning_rate() -> None:
    """Loshchilov and Hutter 2019, with w <- w - eta (m^ / (sqrt(v^) + eps) + lambda w), number by number."""
    gradients, lr = tensor(GIVEN["gradients"])[:30], 0.01
    knobs = AdamW(beta1=0.8, beta2=0.97, eps=1e-3, weight_decay=0.3)
    found, _ = moved(knobs, lr, gradients)
    w, m, v = list(GIVEN["weights_start"]), [0.0] * 8, [0.0] * 8
    for t, g in enumerate(gradients.tolist(), start=1):
        for i in range(8):
            m[i] = 0.8 * m[i] + 0.2 * g[i]
            v[i] = 0.97 * v[i] + 0.03 * g[i] ** 2
            w[i] -= lr * (m[i] / (1 - 0.8**t) / (sqrt(v[i] / (1 - 0.97**t)) + 1e-3) + 0.3 * w[i])
        same(found[t - 1], w)


def test_sgd_is_the_iteration_of_robbins_and_monro_and_its_momentum_the_heavy_ball_of_polyak() -> None:
    gradients, lr = tensor(GIVEN["gradients"])[:20], 0.02
    plain, _ = moved(SGD(), lr, gradients)
    same(plain, tensor(GIVEN["weights_start"]) - lr * gradients.cumsum(dim=0))
    heavy, _ = moved(SGD(momentum=0.7, weight_decay=0.1), lr, gradients)
    w = [tensor(GIVEN["weights_start"])] * 2  # x_{n+1} = x_n - a (g + lambda x_n) + mu (x_n - x_{n-1}) (Polyak 1964)
    for n, g in enumerate(gradients):
        w.append(w[-1] - lr * (g + 0.1 * w[-1]) + 0.7 * (w[-1] - w[-2]))
        same(heavy[n], w[-1])
