"""How many files and connections the server may hold open: as many as the system lets it."""

from __future__ import annotations

import contextlib

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]


def raise_limit() -> None:
    """The soft limit becomes the hard one: many systems start a process with 1,024 or 256, and each open page takes two."""
    if resource is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):  # where "no limit" is not a number that may be set, it stays as it was
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
