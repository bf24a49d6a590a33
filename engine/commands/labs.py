"""The labs with their presets and knobs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from engine.commands._answer import ANSWERED, FAILED, NOT_FOUND, Refusal, tell
from engine.core.paths import data_folder
from engine.declare.bounds import allowed
from engine.declare.lab_catalog import Document, LabsUnreadable, labs_document
from engine.declare.resolve import KnobError
from engine.declare.revise import written
from engine.scheduler.submit import find_lab


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", nargs="?", metavar="LAB", help="only this lab, with its knobs")
    parser.add_argument("--fresh", action="store_true", help="read the files again, whatever the cache says")


def run(args: argparse.Namespace) -> int:
    document = catalog(fresh=args.fresh)
    if args.lab is not None:
        try:
            document = {**document, "labs": [find_lab(document, args.lab)]}
        except KnobError as error:
            raise Refusal(NOT_FOUND, str(error)) from None
    tell(args.json, document, _lines(document, knobs=args.lab is not None))
    return ANSWERED


def catalog(fresh: bool = False) -> Document:
    """The labs document; its first computation takes seconds and says so on stderr."""

    def progress(message: str) -> None:
        if sys.stderr.isatty():
            print(f"… {message}", file=sys.stderr)

    try:
        return labs_document(data_folder(), fresh=fresh, progress=progress)
    except (LabsUnreadable, OSError) as error:
        raise Refusal(FAILED, str(error)) from None


def _lines(document: Mapping[str, Any], knobs: bool) -> Iterator[str]:
    for lab in document["labs"]:
        yield f"{lab['lab']}: {lab['title']}"
        for name, preset in lab["presets"].items():
            yield f"  --preset {name:<24}{preset['story']}"
        for spec in lab["knobs"] if knobs else ():
            yield from _knob(spec, spec["name"])
        yield ""
    for error in document["errors"]:
        yield f"{error['file']} could not be read: {error['says']}"


def _knob(spec: Mapping[str, Any], name: str, depth: int = 1) -> Iterator[str]:
    bounds = "" if spec["kind"] == "question" else f", {allowed(spec)}"  # the answers of a question follow, line by line
    yield f"{'  ' * depth}{name}={written(spec['default'])}{bounds}  {spec['about']}"
    for choice in spec["choices"]:
        if "knobs" in choice:
            yield f"{'  ' * (depth + 1)}{name}={choice['name']}  {choice['idea']}"
            for inner in choice["knobs"]:
                yield from _knob(inner, f"{name}.{inner['name']}", depth + 2)
