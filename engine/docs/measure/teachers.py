"""A run that follows a teacher needs that teacher first: a measurement trains it once, whatever presets and seeds were asked for."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.core.files import write_json
from engine.core.nonfinite import jsonable
from engine.core.paths import ROOT
from engine.core.sources import digest
from engine.declare.knobs import nest
from engine.docs.measure.training import train
from engine.labs.describe import entry
from engine.labs.lab import Lab

_ONE_AT_A_TIME = threading.Lock()  # several presets share a teacher


def teach(name: str, kind: type[Lab], knobs: Mapping[str, Any], scratch: Path, root: Path = ROOT) -> None:
    """Train the teacher that a declaration with velocity=teacher asks for, unless the scratch folder has it.

    `knobs`: flat, without seeds, which decide no teacher.  NoMeasurement, in one sentence.
    """
    if knobs.get("velocity") != "teacher":
        return
    questions = {one["name"] for one in entry(name, kind)["knobs"] if one["kind"] == "question"}
    teacher = kind.model_validate(nest(dict(knobs), questions)).teacher()  # type: ignore[attr-defined]
    flat = {key: value for key, value in teacher.flat().items() if value is not None and key != "seed"}
    called = digest({key: json.dumps(jsonable(value)) for key, value in flat.items()})
    mark = scratch / f"teacher-{called}.json"
    with _ONE_AT_A_TIME:
        if mark.exists():
            return
        data = Path(tempfile.mkdtemp(dir=scratch, prefix="teacher-"))
        try:
            shown = train(name, "teacher", teacher.seed, data, knobs=flat, root=root)
            keep_artefacts(data, scratch)
        finally:
            shutil.rmtree(data, ignore_errors=True)
        write_json(mark, {"provenance": shown["provenance"]})


def keep_artefacts(data: Path, scratch: Path) -> None:
    """Teachers and feature networks that a run in `data` trained, for the runs that come after it."""
    for artefact in (data / "cache").glob("*/*.pt"):
        shutil.copytree(artefact.parent, scratch / "cache" / artefact.parent.name, dirs_exist_ok=True)
