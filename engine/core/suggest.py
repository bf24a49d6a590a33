"""The sentence for a name that does not exist: what was received, the nearest one, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(what: str, got: str, allowed: Iterable[str]) -> str:
    """-> 'No preset "colapse": did you mean "collapse"? Allowed are collapse, healthy.'"""
    names = sorted(allowed)
    return f"{unknown(what, got, names)} Allowed are {', '.join(names) or 'none'}."


def unknown(what: str, got: str, names: Iterable[str]) -> str:
    """The same without the list: 'No preset "colapse": did you mean "collapse"?', or 'No preset "x".' where none is near."""
    close = difflib.get_close_matches(got, sorted(names), n=1, cutoff=0.5)
    return f'No {what} "{got}": did you mean "{close[0]}"?' if close else f'No {what} "{got}".'
