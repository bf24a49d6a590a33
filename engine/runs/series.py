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


def check_name(name: str) -> None:
    """ValueError, in one sentence, for a new metric's name that would be read as a name with its layer."""
    if "@" in name:
        raise ValueError(f'The metric "{name}" has an "@" in its name, which separates name and layer; give the layer apart.')


def series_key(name: str, layer: str = "") -> str:
    """The one text form of a series: NAME, or NAME@LAYER."""
    return f"{name}@{layer}" if layer else name


def split_key(key: str) -> tuple[str, str]:
    """The inverse of `series_key`."""
    name, _, layer = key.partition("@")
    return name, layer


def metric_words(key: str) -> str:
    """A metric as a person reads it: `router/dead_experts@blocks.1.moe` -> "router dead experts in blocks.1.moe"."""
    name, layer = split_key(key)
    return " ".join(name.replace("/", " ").replace("_", " ").split()) + (f" in {layer}" if layer else "")
