"""From what a person typed to a complete declaration: flat names, typed values, every default filled in.

Works on the JSON of `labs --json`, so that the server and the command line check a declaration
without importing torch.  Every complaint is one sentence: what was received, what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.core.suggest import nearest
from engine.declare.knobs import Flat, nest
from engine.declare.presets import override
from engine.declare.rules import broken


class KnobError(ValueError):
    """A knob, preset or lab that does not exist or is out of bounds; the message is one sentence for the person."""


def declare(lab: Mapping[str, Any], preset: str | None, given: Mapping[str, Any]) -> Flat:
    """-> the complete flat declaration of `lab` (one entry of `labs --json`): defaults | preset | given.

    `given` holds typed values or the strings of a command line.  Raises KnobError.
    """
    base: Flat = {}
    if preset is not None:
        if preset not in lab["presets"]:
            raise KnobError(nearest(f"preset of {lab['lab']}", preset, lab["presets"]))
        base = dict(lab["presets"][preset]["knobs"])
    chosen = override(base, dict(given))
    out: Flat = {}
    for spec in lab["knobs"]:
        _fill(out, spec, spec["name"], chosen)
    unknown = [name for name in chosen if name not in out]
    if unknown:
        raise KnobError(_unknown(lab, unknown[0], out))
    if against := broken(lab.get("rules", ()), out):
        raise KnobError(" ".join(against))
    if out.get("data_seed", 0) is None:
        out["data_seed"] = out["seed"]
    return out


def nested(lab: Mapping[str, Any], flat: Flat) -> dict[str, Any]:
    """The form of spec.json."""
    return nest(flat, {spec["name"] for spec in lab["knobs"] if spec["kind"] == "question"})


def _fill(out: Flat, spec: Mapping[str, Any], name: str, chosen: Mapping[str, Any]) -> None:
    out[name] = typed(spec, name, chosen.get(name, spec["default"]))
    if spec["kind"] == "question":
        answer = next(c for c in spec["choices"] if c["name"] == out[name])
        for inner in answer["knobs"]:
            _fill(out, inner, f"{name}.{inner['name']}", chosen)


def typed(spec: Mapping[str, Any], name: str, value: Any) -> Any:
    """One value of one knob, converted from text where needed and checked against its bounds."""
    kind = spec["kind"]
    if kind in ("question", "option"):
        allowed = [c["name"] for c in spec["choices"]]
        if value not in allowed:
            raise KnobError(nearest(f"answer to {name}" if kind == "question" else f"value of {name}", str(value), allowed))
        return value
    if value is None or (value == "" and kind != "str"):
        if spec["default"] is None:
            return None
        raise KnobError(f"{name} received nothing; give {_wanted(spec)}.")
    if kind == "str":
        return str(value)
    if kind == "bool":
        return _bool(spec, name, value)
    number = _number(spec, name, value)
    low, high = spec["min"], spec["max"]
    if (low is not None and number < low) or (high is not None and number > high):
        raise KnobError(f"{name}={value} is out of bounds; give {_wanted(spec)}.")
    return number


def _bool(spec: Mapping[str, Any], name: str, value: Any) -> bool:
    words = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
    key = str(value).lower()
    if key not in words:
        raise KnobError(f"{name}={value} is neither true nor false; give true or false.")
    return words[key]


def _number(spec: Mapping[str, Any], name: str, value: Any) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise KnobError(f"{name}={value} is not a number; give {_wanted(spec)}.") from None
    if not math.isfinite(number):
        raise KnobError(f"{name}={value} is not finite; give {_wanted(spec)}.")
    if spec["kind"] == "float":
        return number
    if number != int(number):
        raise KnobError(f"{name}={value} is not a whole number; give {_wanted(spec)}.")
    return int(value) if not isinstance(value, str) or value.lstrip("+-").isdigit() else int(number)


def _wanted(spec: Mapping[str, Any]) -> str:
    word = {"int": "a whole number", "float": "a number"}.get(spec["kind"], spec["kind"])
    low, high = (end if end is None or isinstance(end, int) else f"{end:g}" for end in (spec["min"], spec["max"]))
    if low is not None and high is not None:
        word += f" from {low} to {high}"
    elif low is not None:
        word += f" of at least {low}"
    elif high is not None:
        word += f" of at most {high}"
    return f"{word} ({spec['unit']})" if spec["unit"] else word


def _unknown(lab: Mapping[str, Any], name: str, out: Flat) -> str:
    head, _, tail = name.partition(".")
    for spec in lab["knobs"]:
        if spec["name"] == head and spec["kind"] == "question" and tail:
            owners = [c["name"] for c in spec["choices"] if any(k["name"] == tail for k in c["knobs"])]
            if owners:
                return (
                    f"{name} belongs to {head}={' or '.join(owners)}, but {head} is {out[head]}; "
                    f"choose {head}={owners[0]} or leave {name} out."
                )
    return nearest(f"knob of {lab['lab']}", name, out)
