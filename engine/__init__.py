"""The laboratory's machinery; it knows no page and no streamlit."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """`engine.open_run(path)` for notebooks, imported when asked for, so that a worker never loads polars."""
    if name == "open_run":
        from engine.index.open_run import open_run

        return open_run
    raise AttributeError(f"module 'engine' has no attribute {name!r}")
