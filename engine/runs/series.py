"""Series: what one metric of one layer is called, and what a run says of it once."""

from __future__ import annotations

from dataclasses import dataclass

Series = tuple[str, str]  # (metric name, layer)


@dataclass(frozen=True)
class SeriesInfo:
    """What a spool says of one series once, before its first value."""

    name: str
    layer: str = ""
    unit: str = ""
    kind: str = "scalar"
    shape: tuple[int, ...] = ()


def series_key(name: str, layer: str = "") -> str:
    """The one text form of a series: NAME, or NAME@LAYER."""
    return f"{name}@{layer}" if layer else name


def split_key(key: str) -> tuple[str, str]:
    """The inverse of `series_key`."""
    name, _, layer = key.partition("@")
    return name, layer
