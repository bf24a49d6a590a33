"""What speaks against a new attempt of a run that has ended, asked before anything of the run is changed.

A new attempt continues one curve: with another edition of its lab or other data it would be two curves under one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.declare.editions import difference
from engine.runs.folder import RunFolder
from engine.scheduler.executor import DataUnknown, Executor


def against(folder: RunFolder, executor: Executor) -> str:
    """One sentence, or nothing."""
    edition = difference(folder.spec() or {})
    if edition:
        return f"{folder.run} cannot go on, for it was {edition}; run it again instead."
    then = folder.provenance().get("data")
    if not isinstance(then, dict) or not then:
        return ""  # it ended before it knew its data, so there is no curve to continue
    try:
        other = other_data(then, executor.data_today(folder))
    except DataUnknown as problem:
        return f"{folder.run} cannot go on, for it is not known whether its data is still the same: {problem}."
    if other:
        return f"{folder.run} cannot go on, for it was trained on other data than there is here today: {other}; run it again instead."
    return ""


def other_data(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How two provenances of data differ, or nothing.  What only one of them tells is left out: probes add to a run's."""
    names = [name for name in now if name in then and then[name] != now[name]]
    named = ["sha256"] if "sha256" in names else names
    return ", ".join(f"{name} was {then[name]} and is {now[name]}" for name in named)
