"""Numbers that JSON cannot carry: NaN and infinities travel as words."""

from __future__ import annotations

import math
from typing import Any


def jsonable(value: Any) -> Any:
    """A float that JSON can carry: NaN and infinities as "NaN", "Infinity", "-Infinity"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def number(value: Any) -> float | None:
    """The inverse of `jsonable`; None stays None."""
    return None if value is None else float(value)
