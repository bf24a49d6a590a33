"""A schematic as the recorded run of a preset left it at its last step: the drawing, its sentence, and the same as a file of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.core.nonfinite import number
from engine.labs.schematic import STYLE, Readings, Schematic, drawn, said, still

INK = {"light": "#1f2933", "dark": "#e6eaee"}  # lines and words, as the pages have them


@dataclass(frozen=True)
class Still:
    """`drawing`: SVG with every driven attribute set; `sentence`: what it shows, in numbers; `step` and `seed` of the recorded run."""

    drawing: str
    sentence: str
    step: int
    seed: int

    def document(self, colour: str, theme: str) -> str:
        """The drawing with its colours inside, for an <img>: a page's style does not reach in there."""
        colours = f".fl-schematic{{--run:{colour};--page-ink:{INK.get(theme, INK['light'])}}}"
        head = f"{colours}.fl-schematic text{{display:none}}"  # words would be too small to read
        style = f"<style>{head}{STYLE.read_text('utf-8').replace('width: 100%; height: auto; display: block;', '')}</style>"
        bare = re.sub(r' data-[a-z]+="[^"]*"', "", self.drawing)
        return re.sub(r"(<svg\b[^>]*>)", lambda match: match[1] + style, bare, count=1)


def recorded_still(model: Schematic, record: Mapping[str, Any], layer: str = "") -> Still | None:
    """The last step that a record of docs/measured keeps; None where it keeps too little for this schematic."""
    vectors = record.get("film", {}).get("vectors", {})
    first, last = _readings(vectors, 0), _readings(vectors, -1)
    layer = layer if model.layered else ""
    knobs = record.get("knobs", {})
    drawing, sentence = drawn(model, knobs, layer, first), said(model, knobs, last, layer)
    if not drawing or not sentence:
        return None
    return Still(still(drawing, last), sentence, max(one["step"][-1] for one in vectors.values()), record["seeds"][0])


def _readings(vectors: Mapping[str, Mapping[str, Sequence[Any]]], at: int) -> Readings:
    return {key: [float(v) for v in (number(element) for element in one["value"][at]) if v is not None] for key, one in vectors.items()}
