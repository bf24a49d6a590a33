"""An event: something that happens at a step of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from engine.core.nonfinite import jsonable


@dataclass(frozen=True)
class Event:
    """Something at a step.  `kind`: spike, divergence, nonfinite, checkpoint, image, intervention, knob, …"""

    step: int
    kind: str
    rule: str = ""
    layer: str = ""
    value: float | None = None
    threshold: float | None = None
    message: str = ""

    def json(self) -> dict[str, Any]:
        """A dict for JSON; NaN and infinities become their names, and `message` is called "says" there, as in every stored event."""
        fields = asdict(self)
        fields["says"] = fields.pop("message")
        return {name: jsonable(value) for name, value in fields.items()}
