"""/still: the schematic of a preset as its recorded run left it, one SVG for a card."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine.core.suggest import nearest
from engine.declare.records import recorded
from engine.labs.recorded_still import Still, recorded_still
from engine.labs.schematic import Schematic, schematic_of
from engine.runs.series import split_key

COLOUR = re.compile(r"[0-9A-Fa-f]{6}")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


_drawn: dict[tuple[str, str], tuple[type[Schematic], Mapping[str, Any], str, Still | None]] = {}  # (lab, preset) -> from what, and what


def still_of(known: Mapping[str, Any], lab: Mapping[str, Any], preset: str) -> Still | None:
    """The drawing of a preset of a lab; None where nothing that it could be drawn from was recorded.

    Drawn once for as long as schematic and record stay what they are: the page of cards needs its sentence, /still its picture.
    """
    model, record = schematic_of(known, lab["lab"])[0], recorded(lab, preset)
    if not model or not record:
        return None
    key, layer = (lab["lab"], preset), split_key(lab["presets"][preset]["deciding"] or "")[1]
    kind, of, at, still = _drawn.get(key, (None, None, "", None))
    if not (kind is type(model) and of is record and at == layer):
        still = recorded_still(model, record, layer)
        _drawn[key] = (type(model), record, layer, still)
    return still


def answer(known: Mapping[str, Any], request: Request) -> Response:
    """The SVG of `lab` and `preset` in a `colour` (RRGGBB) and a `theme` (light or dark).  KeyError for what there is not."""
    query = {name: request.query_params.get(name, "")[:80] for name in ("lab", "preset", "colour", "theme")}
    lab = next((one for one in known["labs"] if one["lab"] == query["lab"]), None)
    if lab is None:
        raise KeyError(nearest("lab", query["lab"], [one["lab"] for one in known["labs"]]))
    if query["preset"] not in lab["presets"]:
        raise KeyError(nearest("preset", query["preset"], lab["presets"]))
    if not COLOUR.fullmatch(query["colour"]):
        raise KeyError(f'/still received colour="{query["colour"]}"; give six hexadecimal digits, such as 0072B2.')
    drawn = still_of(known, lab, query["preset"])
    if drawn is None:
        raise KeyError(f"Nothing was recorded of the preset {query['preset']} from which a schematic could be drawn.")
    content = drawn.document(f"#{query['colour']}", query["theme"]).encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/svg+xml", headers={**headers, "Content-Security-Policy": POLICY})
