"""Submitting: from what a person chose to a declaration in `runs/`, where whoever owns the folder picks it up."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.core import device
from engine.core.suggest import nearest
from engine.declare.knobs import Flat
from engine.declare.resolve import KnobError, declare, nested
from engine.runs.folder import RunFolder, new_run, reserve

LabJson = Mapping[str, Any]


def find_lab(document: Mapping[str, Any], name: str) -> LabJson:
    """One lab of the labs document.  KnobError for one that does not exist or that could not be read."""
    for lab in document["labs"]:
        if lab["lab"] == name:
            return lab
    for error in document["errors"]:
        if (error["kind"], error["name"]) == ("lab", name):
            raise KnobError(f"The lab {name} could not be read: {error['says']} ({error['file']}).")
    raise KnobError(nearest("lab", name, [lab["lab"] for lab in document["labs"]]))


def complete(lab: LabJson, preset: str | None, given: Mapping[str, Any]) -> Flat:
    """The complete flat declaration, checked, with `device` resolved to what this machine has."""
    flat = declare(lab, preset, given)
    try:
        return flat | ({"device": device.resolve(flat["device"])} if "device" in flat else {})
    except ValueError as error:
        raise KnobError(str(error)) from None


def submit(
    data: Path,
    lab: LabJson,
    preset: str | None,
    given: Mapping[str, Any],
    *,
    who: str | None = None,
    twin: str | None = None,
    parent: str | None = None,
    folder: RunFolder | None = None,
) -> RunFolder:
    """Check a declaration and write it as a new, queued run; `parent` is the run it repeats.  KnobError before anything is written."""
    spec = {
        "preset": preset,
        "edition": lab.get("edition", 1),
        "knobs": nested(lab, complete(lab, preset, given)),
        "who": who or system_user(),
        "parent": parent,
        "twin": twin,
        "sweep": None,
    }
    return new_run(data, lab["lab"], spec, folder)


def submit_twins(data: Path, lab: LabJson, preset: str, given: Mapping[str, Any], *, who: str | None = None) -> tuple[RunFolder, RunFolder]:
    """Two queued runs, broken and cured, with the same overrides; each names the other as its twin."""
    if preset not in lab["presets"]:
        raise KnobError(nearest(f"preset of {lab['lab']}", preset, lab["presets"]))
    cure = lab["presets"][preset]["twin"]
    if cure is None:
        paired = ", ".join(sorted(name for name, p in lab["presets"].items() if p["twin"])) or "none"
        raise KnobError(f"The preset {preset} of {lab['lab']} has no cured twin; presets that have one: {paired}.")
    for name in (preset, cure):
        complete(lab, name, given)
    broken, cured = reserve(data, lab["lab"]), reserve(data, lab["lab"])
    submit(data, lab, preset, given, who=who, twin=cured.run, folder=broken)
    submit(data, lab, cure, given, who=who, twin=broken.run, folder=cured)
    return broken, cured


def system_user() -> str:
    """The login name, or "unknown" where the machine has none for this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
