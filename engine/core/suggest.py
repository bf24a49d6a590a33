"""The sentence for a name that does not exist: what was received, the nearest one, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(what: str, got: str, allowed: Iterable[str]) -> str:
    """-> 'No preset "colapse": did you mean "collapse"? Allowed are collapse, healthy.'"""
    names = sorted(allowed)
    close = difflib.get_close_matches(got, names, n=1, cutoff=0.5)
    hint = f' did you mean "{close[0]}"?' if close else ""
    listed = ", ".join(names) if names else "none"
    return f'No {what} "{got}"{":" if hint else "."}{hint} Allowed are {listed}.'
