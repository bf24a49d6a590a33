"""Readings reach the spool as the numbers they were."""

from __future__ import annotations

import math

import torch

from engine.probe import Reading
from engine.readings import Readings


def test_readings_arrive_as_the_numbers_they_were() -> None:
    large = 2**24 + 1
    readings = Readings(torch.device("cpu"))
    readings.put(
        7,
        [
            Reading("plain", 0.1),
            Reading("half", torch.tensor(1.5, dtype=torch.bfloat16)),
            Reading("count", torch.tensor(large)),
            Reading("vector", torch.tensor([1, large]), "layer"),
            Reading("list", [1, 2.5]),
            Reading("nan", torch.tensor(math.nan, requires_grad=True)),
            Reading("one", torch.tensor([3.0])),
        ],
    )
    (arrived,) = readings.arrived()
    assert arrived.step == 7
    assert math.isnan(arrived.scalars.pop(("nan", "")))
    assert arrived.scalars == {("plain", ""): 0.1, ("half", ""): 1.5, ("count", ""): float(large)}
    assert arrived.vectors == {("vector", "layer"): [1.0, float(large)], ("list", ""): [1.0, 2.5], ("one", ""): [3.0]}
