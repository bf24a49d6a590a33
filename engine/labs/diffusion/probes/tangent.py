"""Probe `tangent`: how large the tangent is before and after it is shaped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from engine.labs.capabilities import Consistency, ConsistencyModel
    from engine.labs.diffusion.models.tangent import TangentRecord


class Tangent(Probe):
    """Mean length, over the training batch, of the tangent that the network is asked to follow: in data units (σ_d 0.5) for sCM, whose
    paper measures it so, else for data of unit variance.

    The loss sees only the shaped one.  What shows whether a training is sound is the raw one, and in it the derivative dF/dt."""

    price = "cheap"
    needs = "consistency"
    metrics = (
        Metric("tangent/raw", "length of the tangent before shaping"),
        Metric("tangent/shaped", "length of the tangent as it enters the loss"),
        Metric("tangent/derivative", "length of the total derivative dF/dt, times cos t sin t in TrigFlow and 1 − t on the straight path"),
    )

    def after(self, step: Step[Consistency]) -> Iterable[Reading]:
        model: ConsistencyModel = step.model
        record: TangentRecord | None = model.record
        if record is None:  # while only the velocity is learned
            return
        yield Reading("tangent/raw", record.raw_B.mean())
        yield Reading("tangent/shaped", record.shaped_B.mean())
        if record.derivative_B is not None:
            yield Reading("tangent/derivative", record.derivative_B.mean())
