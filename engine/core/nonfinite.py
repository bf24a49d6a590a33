"""Numbers that JSON cannot carry: NaN and infinities travel as words."""

from __future__ import annotations

import math
from typing import Any

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_NAN, _ABOVE, _BELOW = WORDS


def word(value: float | None) -> str:
    """The word for a number that is not finite; nothing for one that is, and for None."""
    if value is None or math.isfinite(value):
        return ""
    return _NAN if math.isnan(value) else _ABOVE if value > 0 else _BELOW


def jsonable(value: Any) -> Any:
    """A float that JSON can carry: NaN and infinities as words."""
    return (word(value) or value) if isinstance(value, float) else value


def number(value: Any) -> float | None:
    """The inverse of `jsonable`; None stays None."""
    return None if value is None else float(value)
