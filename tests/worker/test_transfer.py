"""Readings reach the spool as the numbers they were."""

from __future__ import annotations

import math

import torch

from engine.labs.probe import Reading
from engine.worker.transfer import LAG, Readings


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


def test_readings_of_a_gpu_are_waited_for_only_when_they_are_too_many_steps_late() -> None:
    class Copy:
        def __init__(self) -> None:
            self.done = self.waited = False

        def query(self) -> bool:
            return self.done

        def synchronize(self) -> None:
            self.done = self.waited = True

    readings, copies = Readings(torch.device("cpu")), []
    readings.lag = LAG
    for step in range(LAG + 2):
        readings.put(step, [Reading("loss", torch.tensor(float(step)))])
        copies.append(Copy())
        readings._queue[-1].copied = copies[-1]
        arrived = [one.step for one in readings.arrived()]
        assert arrived == ([] if step < LAG else [step - LAG])  # so a rule has seen step n once step n + LAG is done
    copies[2].done = True
    assert [(one.step, one.scalars["loss", ""]) for one in readings.arrived()] == [(2, 2.0)]
    assert [one.step for one in readings.arrived(all_of_them=True)] == list(range(3, LAG + 2))
    assert [c.waited for c in copies] == [True, True, False] + [True] * (LAG - 1)


def test_a_tensor_of_any_shape_arrives_row_by_row_with_its_shape() -> None:
    readings = Readings(torch.device("cpu"))
    deep = torch.arange(24.0).reshape(2, 3, 4)
    given = [Reading("deep", deep), Reading("turned", deep[0].T), Reading("none", torch.zeros(0, 2)), Reading("list", [1, 2])]
    readings.put(0, given)
    (arrived,) = readings.arrived()
    shapes = {name: arrived.shapes[name, ""] for name in ("deep", "turned", "none", "list")}
    assert shapes == {"deep": (2, 3, 4), "turned": (4, 3), "none": (0, 2), "list": (2,)}
    assert arrived.vectors["deep", ""] == list(range(24))
    assert arrived.vectors["turned", ""] == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
