"""A schematic: a drawing of a model whose parts move with recorded readings, on the run page, on cards and in the reference.

A new schematic is one file in `engine/labs/<topic>/schematics/` with one subclass of `Schematic`.  The drawing is SVG, 320 by 200 units,
coloured by classes alone (schematic.css beside this file).  What moves says so itself, in attributes:

    data-series, data-layer   the series that drives it, a scalar or a vector; data-key is both in one
    data-index                which element of a vector drives it, one for each drive
    data-drive                one or more of DRIVES, separated by blanks
    data-range                for each drive the value of the attribute at the low and at the high end of the scale, "0.8,16"
    data-scale                for each drive the scale, "sqrt:0:0.5" (linear, sqrt or log, from low to high); beyond its ends nothing moves

Two interpreters read it: `still` in Python and pages/parts/charts/schematic.js in the browser.  Nothing else moves.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from xml.sax.saxutils import quoteattr

from engine.core.catalog import Broken, Catalog
from engine.runs.series import series_key

WIDTH, HEIGHT = 320, 200
NS = "http://www.w3.org/2000/svg"
SPEED = 40.0  # units that a dot of a flow moves in a second: `flow` is the number of dots a second
DRIVES: Mapping[str, str] = {  # drive -> the attribute that it sets
    **{"radius": "r", "width": "stroke-width", "height": "height", "opacity": "opacity", "hue": "style", "flow": "stroke-dasharray"},
    **{name: name for name in ("cx", "cy", "x1", "y1", "x2", "y2")},
}
SCALES = ("linear", "sqrt", "log")
STYLE = Path(__file__).with_suffix(".css")  # the colours of every class, for pages, cards and documents

Value = float | Sequence[float]
Readings = Mapping[str, Value]  # NAME or NAME@LAYER -> a scalar, or the elements of a vector


class Schematic:
    """Base of every schematic.

    `labs`: the labs whose runs it draws.  `needs`: series without which it cannot move.  `made_from`: series whose first reading decides
    the drawing itself, such as the edges of a graph.  `layered`: it draws one layer at a time.
    """

    labs: ClassVar[tuple[str, ...]]
    title: ClassVar[str]
    about: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    made_from: ClassVar[tuple[str, ...]] = ()
    layered: ClassVar[bool] = False

    def svg(self, knobs: Mapping[str, Any], layer: str = "", first: Readings | None = None) -> str:
        """-> the drawing of a run with these flat knobs; "" for one that it cannot draw.  `first`: the first readings of `made_from`."""
        raise TypeError(f"{type(self).__name__} must define svg(knobs, layer, first)")

    def sentence(self, knobs: Mapping[str, Any], readings: Readings, layer: str = "") -> str:
        """-> what the drawing shows, in numbers, of readings of one step; "" where there are none."""
        raise TypeError(f"{type(self).__name__} must define sentence(knobs, readings, layer)")


def drawn(model: Schematic, knobs: Mapping[str, Any], layer: str = "", first: Readings | None = None) -> str:
    """The drawing as `svg` makes it, "" where that raises or gives no XML: a run of other code may hold anything, and stops no page."""
    try:
        svg = model.svg(knobs, layer, first)
        if svg:
            ET.fromstring(svg)
    except Exception:
        return ""
    return svg


def said(model: Schematic, knobs: Mapping[str, Any], readings: Readings, layer: str = "") -> str:
    """The sentence as `sentence` makes it, "" where that raises."""
    try:
        return model.sentence(knobs, readings, layer)
    except Exception:
        return ""


def schematics(only: Sequence[str] | None = None) -> tuple[dict[str, Schematic], list[Broken]]:
    """Every schematic of the catalog, and the files that could not be read."""
    good, bad = Catalog("schematics", Schematic).load(only)
    return {name: kind() for name, kind in good.items()}, bad


def schematic_of(known: Mapping[str, Any], lab: str) -> tuple[Schematic | None, list[Broken]]:
    """Out of the labs document: the schematic of a lab, None for one that has none and while the labs are still being read; and the files
    that cannot be read."""
    good, bad = schematics(() if known["state"] == "computing" else known.get("schematics"))
    return next((one for one in good.values() if lab in one.labs), None), bad


def moving(series: str, layer: str, drives: Sequence[tuple[str, int | None, tuple[float, float], str]]) -> str:
    """The attributes of an element that moves: one (drive, index, range, scale) each.  ValueError for a drive or a scale that is none."""
    for drive, _, _, scale in drives:
        kind, low, high = [*scale.split(":"), "", ""][:3]
        if drive not in DRIVES or kind not in SCALES or not float(low) < float(high) or (kind == "log" and float(low) <= 0):
            raise ValueError(f"a schematic received the drive {drive!r} with the scale {scale!r}; drives are {', '.join(DRIVES)}.")
    joined = {
        "key": series_key(series, layer),
        "series": series,
        "layer": layer,
        "index": " ".join("" if index is None else str(index) for _, index, _, _ in drives),
        "drive": " ".join(drive for drive, *_ in drives),
        "range": " ".join(f"{_short(low)},{_short(high)}" for _, _, (low, high), _ in drives),
        "scale": " ".join(scale for *_, scale in drives),
    }
    return " ".join(f"data-{name}={quoteattr(value)}" for name, value in joined.items() if value or name in ("layer", "index"))


def framed(parts: Sequence[str], label: str) -> str:
    """The whole drawing out of its elements; `label` is what it is, for who cannot see it."""
    open_tag = f'<svg xmlns="{NS}" viewBox="0 0 {WIDTH} {HEIGHT}" class="fl-schematic" role="img" aria-label={quoteattr(label)}>'
    return f"{open_tag}{''.join(parts)}</svg>"


def still(svg: str, readings: Readings) -> str:
    """The drawing as it stands at these readings: every driven attribute is set, as schematic.js sets it."""
    ET.register_namespace("", NS)
    root = ET.fromstring(svg)
    for element in root.iter():
        if element.get("data-drive"):
            _set(element, readings)
    return ET.tostring(root, encoding="unicode")


def placed(value: float, scale: str, ends: tuple[float, float]) -> float:
    """Where a finite or infinite value lies between the ends of its attribute."""
    kind, low, high = scale.split(":")
    share = (_of(kind, value) - _of(kind, float(low))) / (_of(kind, float(high)) - _of(kind, float(low)))
    return ends[0] + min(1.0, max(0.0, share)) * (ends[1] - ends[0])


def _of(kind: str, value: float) -> float:
    if kind == "sqrt":
        return math.copysign(math.sqrt(abs(value)), value)
    if kind == "log":
        return math.log10(value) if value > 0 else -math.inf
    return value


def _set(element: ET.Element, readings: Readings) -> None:
    """What is not read leaves the element as it was drawn; what is no number marks it and leaves it there too."""
    reading = readings.get(element.get("data-key", ""))
    parts = [element.get(f"data-{name}", "").split(" ") for name in ("drive", "index", "range", "scale")]
    for drive, index, ends, scale in zip(*parts, strict=True):
        value = _element(reading, index)
        if value is None:
            continue
        if math.isnan(value):
            element.set("class", f"{element.get('class', '')} fl-nan".strip())
            continue
        low, high = (float(end) for end in ends.split(","))
        for name, text in attributes(drive, placed(value, scale, (low, high))).items():
            element.set(name, text)


def _element(reading: Value | None, index: str) -> float | None:
    if reading is None:
        return None
    if isinstance(reading, int | float):
        return float(reading)
    return float(reading[int(index)]) if index and int(index) < len(reading) else None


def attributes(drive: str, at: float) -> dict[str, str]:
    """What a drive sets when its attribute stands at `at`; a flow of `at` dots a second is a dashed line of dots SPEED / at apart."""
    if drive == "hue":
        return {"style": f"--hue:{_short(100 * at)}%"}
    if drive == "flow":
        return {"stroke-dasharray": f"0 {_short(SPEED / max(at, 1e-3))}", "visibility": "visible" if at >= 0.05 else "hidden"}
    return {DRIVES[drive]: _short(at)}


def _short(value: float) -> str:
    return f"{round(value, 3):g}" if abs(value) < 1e5 else f"{value:.6g}"
