"""What decides a record's numbers besides the declaration: the sources of the training, and of the probes whose metrics it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.core.catalog import Catalog
from engine.core.sources import of_declaration
from engine.labs.probe import Probe, attached


def starts(lab: Mapping[str, Any], knobs: Mapping[str, Any], questions: Iterable[str], metrics: Iterable[str]) -> list[str]:
    """The files from which the closure of one declaration starts.

    `lab`: its entry in the labs document; `metrics`: names of what the record keeps, of the probes that this run takes.
    """
    kept, probes = set(metrics), Catalog("probes", Probe)
    out = of_declaration(lab["lab"], lab["provides"], [(question, str(knobs[question])) for question in questions if question in knobs])
    taken = attached(probes.load()[0], knobs["probes"], frozenset(lab["provides"]))
    out += (probes.file(name) for name, kind in taken.items() if kept & {metric.name for metric in kind.metrics})
    return sorted(set(out))
