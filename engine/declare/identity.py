"""Which declarations are the same training: one hash of lab, edition and every knob that decides its curve.

Not part of it are `probes` (what is measured moves nothing), the preset (a name for knobs) and who asked.  Two commands are equal when
their complete declarations are: `seed=3` and `seed=3 data_seed=3`, a preset and the same knobs by hand, `lr=1e-3` and `lr=0.001`,
`device=auto` and what it leads to here.  An edition that changed only answers which a declaration does not give is not counted.

An older run's declaration is completed with today's defaults first, so that a knob which came later parts nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from engine.declare.editions import deciding
from engine.declare.knobs import unnest
from engine.declare.resolve import Declaration, KnobError, LabJson, resolve
from engine.declare.revise import described, request_of

LEFT_OUT = "probes"


def identity(lab: str, edition: int, nested: Mapping[str, Any]) -> str:
    """Of a complete declaration with its device resolved, as spec.json holds it: 64 hexadecimal digits.  ValueError for what has none."""
    flat = unnest(dict(nested))
    knobs = {name: value + 0.0 if isinstance(value, float) else value for name, value in flat.items() if name != LEFT_OUT}  # no -0.0
    counted = deciding(lab, edition, nested)
    canonical = json.dumps({"lab": lab, "edition": counted, "knobs": knobs}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def of_declaration(declared: Declaration) -> str:
    """KnobError for a device that is not here."""
    here = declared.on_this_machine()
    return identity(here.lab, here.edition, here.nested)


def of_spec(lab: LabJson, spec: Mapping[str, Any]) -> str | None:
    """Of a run's spec.json, completed with the defaults that `lab` has today; None for one that the lab could not declare any more."""
    nested, flat = spec["knobs"], unnest(spec["knobs"])
    if flat.keys() != described(lab, flat).keys() or flat.get("data_seed", 0) is None:
        measured_as_today = {name: value for name, value in nested.items() if name != LEFT_OUT}
        _, flat, lost = request_of(lab, {**spec, "preset": None, "knobs": measured_as_today})
        try:
            nested = resolve(lab, None, flat).nested if not lost else None
        except KnobError:
            nested = None
    try:
        return identity(lab["lab"], int(spec.get("edition") or 1), nested) if nested is not None else None
    except ValueError:  # a number that is none
        return None
