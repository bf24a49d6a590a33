"""From an earlier run, or from a filled-in form, back to what one would ask for: a preset and the knobs that leave it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from engine.declare.knobs import Flat, unnest
from engine.declare.resolve import Declaration, KnobError, LabJson, leaving, typed


def request_of(lab: LabJson, spec: Mapping[str, Any]) -> tuple[str | None, Flat, list[str]]:
    """-> (preset, flat knobs, what could not be kept) of a run's spec.json, in the terms of the lab as it is today.

    A preset or knob that the lab no longer has is left out and named; a new knob has its default.
    """
    preset, lost = spec.get("preset"), []
    if preset is not None and preset not in lab["presets"]:
        lost.append(f"preset {preset}")
        preset = None
    kept = unnest(spec["knobs"])
    for name, one in described(lab, kept).items():
        if name in kept:
            try:
                typed(one, name, kept[name])
            except KnobError:
                lost.append(f"{name}={kept.pop(name)}")
    known = described(lab, kept)
    lost += [name for name in kept if name not in known]
    kept = {name: kept[name] if name in kept else one["default"] for name, one in known.items()}
    return preset, _open_seed(kept), lost


def described(lab: LabJson, flat: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Flat name -> description, of every knob that applies with the answers chosen in `flat`."""
    out: dict[str, Mapping[str, Any]] = {}
    for spec in lab["knobs"]:
        out[spec["name"]] = spec
        if spec["kind"] == "question":
            chosen = flat.get(spec["name"], spec["default"])
            inner = next((c["knobs"] for c in spec["choices"] if c["name"] == chosen), [])
            out |= {f"{spec['name']}.{one['name']}": one for one in inner}
    return out


def changes(start: Declaration, shown: Mapping[str, Any]) -> Flat:
    """What must be named beside the preset of `start`, which is the preset alone, to get what a form shows."""
    return leaving(start.shown, shown)


def command(declared: Declaration) -> str:
    """The same order on the command line."""
    words = ["python", "-m", "engine", "run", declared.lab, *(["--preset", declared.preset] if declared.preset else [])]
    return shlex.join([*words, *(f"{name}={written(value)}" for name, value in declared.changed.items())])


def sweep_command(lab: str, preset: str | None, given: Mapping[str, Any], drawn: int | None = None) -> str:
    """A sweep on the command line; `given`: knob -> values as typed, or one value that is no text or in a tuple."""
    words = ["python", "-m", "engine", "sweep", lab, *(["--preset", preset] if preset else [])]
    single = {name: value[0] if isinstance(value, tuple) else value for name, value in given.items()}
    words += [f"{name}={value if isinstance(value, str) else written(value)}" for name, value in single.items()]
    return shlex.join([*words, *(["--random", str(drawn)] if drawn is not None else [])])


def map_command(lab: str, preset: str | None, given: Mapping[str, Any], how: Mapping[str, Any]) -> str:
    """A map whose cells are trained on the command line; `given` as typed, `how`: metric, level, first and refine."""
    words = ["python", "-m", "engine", "map", lab, *(["--preset", preset] if preset else [])]
    words += [f"{name}={value}" for name, value in given.items()]
    words += ["--cells", str(how["first"]), "--refine", str(how["refine"])]
    words += ["--metric", str(how["metric"]), *(["--level", written(how["level"])] if how["level"] is not None else [])]
    return shlex.join(words)


def written(value: Any) -> str:
    """A value as one types it, without loss."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _open_seed(flat: Flat) -> Flat:
    same = "data_seed" in flat and flat["data_seed"] == flat.get("seed")
    return flat | {"data_seed": None} if same else flat
