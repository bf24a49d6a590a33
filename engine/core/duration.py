"""How long something takes, as one says it."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """ "about 20 s", "about 3 min", "about 2 h"; empty for what is no time."""
    if not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < 1.5:
        return "a moment"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
