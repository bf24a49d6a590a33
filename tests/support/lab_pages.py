"""What tests of the pages share: every real lab, known at once, and how to find a field or a button."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from engine.core.catalog import Catalog
from engine.declare.resolve import resolve
from engine.labs.describe import entry
from engine.labs.lab import Lab
from engine.runs.folder import new_run

ENTRIES = {name: entry(name, lab) for name, lab in Catalog("", Lab).load()[0].items()}


def fields(test: AppTest) -> dict[str, Any]:
    """Knob name -> its field, by the head of its label; of several of one name the first, for panels stand below the page's own."""
    widgets = [*test.text_input, *test.selectbox, *test.toggle, *test.segmented_control]
    return {w.label.partition(": ")[0]: w for w in reversed(widgets) if ": " in w.label}


def button(test: AppTest, label: str) -> Any:
    found = [b for b in test.button if b.label == label]
    assert len(found) == 1, f"{label}: {[b.label for b in test.button]}"
    return found[0]


def collapse(data: Path, **knobs: Any) -> str:
    """A declared run of the moe lab with its real knobs; it counts as queued."""
    declared = resolve(ENTRIES["moe"], "collapse", {"device": "cpu", **knobs})
    spec = {"preset": "collapse", "knobs": declared.nested, "who": "a test", "parent": None, "twin": None, "sweep": None}
    return new_run(data, "moe", spec).run
