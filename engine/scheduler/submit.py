"""Submitting: from what a person chose to a declaration in `runs/`, where whoever owns the folder picks it up."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.core.suggest import nearest
from engine.declare.identity import of_declaration
from engine.declare.resolve import Declaration, KnobError, LabJson
from engine.runs.folder import RunFolder, new_run, reserve
from engine.scheduler.control import Refused, delete

GUEST = "guest-"  # begins the name of whoever gave none


def find_lab(document: Mapping[str, Any], name: str) -> LabJson:
    """One lab of the labs document.  KnobError for one that does not exist or that could not be read."""
    for lab in document["labs"]:
        if lab["lab"] == name:
            return lab
    for error in document["errors"]:
        if (error["kind"], error["name"]) == ("lab", name):
            raise KnobError(f"The lab {name} could not be read: {error['says']} ({error['file']}).")
    raise KnobError(nearest("lab", name, [lab["lab"] for lab in document["labs"]]))


def cure_of(lab: LabJson, preset: str) -> str:
    """The preset that is the cured twin of `preset`.  KnobError for one that does not exist or has none."""
    if preset not in lab["presets"]:
        raise KnobError(nearest(f"preset of {lab['lab']}", preset, lab["presets"]))
    cure = lab["presets"][preset]["twin"]
    if cure is None:
        paired = ", ".join(sorted(name for name, p in lab["presets"].items() if p["twin"])) or "none"
        raise KnobError(f"The preset {preset} of {lab['lab']} has no cured twin; presets that have one: {paired}.")
    return cure


def submit(
    data: Path,
    declaration: Declaration,
    *,
    who: str | None = None,
    twin: str | None = None,
    parent: str | None = None,
    folder: RunFolder | None = None,
) -> RunFolder:
    """Write a declaration as a new, queued run, with its device resolved; `parent` is the run it repeats.

    KnobError, before anything is written, for a device that is not here.
    """
    spec = {
        "preset": declaration.preset,
        "edition": declaration.edition,
        "knobs": declaration.on_this_machine().nested,
        "who": who or system_user(),
        "parent": parent,
        "twin": twin,
        "sweep": None,
        "identity": of_declaration(declaration),
        "code": declaration.code or None,
    }
    return new_run(data, declaration.lab, spec, folder)


def submit_twins(data: Path, broken: Declaration, cured: Declaration, *, who: str | None = None) -> tuple[RunFolder, RunFolder]:
    """Two queued runs, broken and cured; each names the other as its twin.  KnobError, before anything is written, as `submit`.

    OSError where the disk refuses one of them: then there is neither.
    """
    broken, cured = broken.on_this_machine(), cured.on_this_machine()
    one, other = reserve(data, broken.lab), reserve(data, cured.lab)
    try:
        submit(data, broken, who=who, twin=other.run, folder=one)
        submit(data, cured, who=who, twin=one.run, folder=other)
    except OSError:
        for half in (folder for folder in (one, other) if folder.path.exists()):
            with contextlib.suppress(OSError, Refused):  # begun meanwhile, it goes on alone
                delete(half)
        raise
    return one, other


def guest(browser: str) -> str:
    """Who a browser without a nickname is, by its id."""
    return f"{GUEST}{browser[:4]}"


def system_user() -> str:
    """The login name, or "unknown" where the machine has none for this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
