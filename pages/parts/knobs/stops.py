"""Where a slider may stand: a wide range goes in geometric steps, a narrow one in even steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Spec = Mapping[str, Any]

WIDE = 100  # a range of so many octaves' worth goes in geometric steps
MOST_STEPS = 200  # of a slider in even steps


def geometric(spec: Spec) -> list[int] | list[float]:
    """The stops of a knob whose largest value is far above its smallest, bounds and default among them; none for a narrow range."""
    low, high = spec["min"], spec["max"]
    zero = low == 0  # a knob that can be turned off altogether: 0, then the scale
    whole = spec["kind"] == "int"
    start = (1 if whole else None) if zero else low
    if start is None or start <= 0 or high / start <= WIDE:
        return []
    if whole:
        doubled = [factor * 2**power for power in range(64) for factor in (2, 3)]  # 2 3 4 6 8 12 16 24 32 …
        inside = [value for value in doubled if start <= value <= high]
    else:
        powers = range(math.floor(math.log10(start)), math.ceil(math.log10(high)) + 1)
        digits = [float(f"{digit}e{power}") for power in powers for digit in (1, 1.5, 2, 3, 5, 7)]
        inside = [value for value in digits if start <= value <= high]
    kind = int if whole else float
    return sorted({*inside, kind(low), kind(start), kind(high), kind(spec["default"])})


def even_step(spec: Spec) -> int | float:
    """1 for whole numbers; else 1, 2 or 5 times a power of ten, small enough that the default lies on a stop."""
    low, high = spec["min"], spec["max"]
    if spec["kind"] == "int":
        return 1
    power = math.floor(math.log10((high - low) / MOST_STEPS)) if high > low else 0
    fitting = [digit * 10.0**p for p in (power + 1, power, power - 1) for digit in (5, 2, 1)]
    for step in fitting:
        even = all(abs(span / step - round(span / step)) < 1e-6 for span in (spec["default"] - low, high - low))
        if even and (high - low) / step >= MOST_STEPS / 5:
            return float(f"{step:.6g}")
    return float(f"{10.0 ** (power - 1):.6g}")
