"""The knobs of a panel: sliders, switches and choices, at the value that the panel declares until somebody moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.declare.knobs import Flat
from pages.parts.knobs.field import field, question
from pages.parts.knobs.texts import answer_text

Spec = Mapping[str, Any]


def sliders(specs: Sequence[Spec], key: str) -> Flat:
    """Draw a field for each knob -> flat values; the answers of a question bring their own knobs."""
    values: Flat = {}
    for spec in specs:
        name, own = spec["name"], f"{key}:{spec['name']}"
        if spec["kind"] != "question":
            values[name] = field(spec, name, spec["default"], own, slider=True)
            continue
        answer = question(spec, name, spec["default"], own)
        values[name] = answer["name"]
        answer_text(answer)
        for inner in answer["knobs"]:
            inner_name = f"{name}.{inner['name']}"
            values[inner_name] = field(inner, inner_name, inner["default"], f"{key}:{answer['name']}:{inner_name}", slider=True)
    return values
