"""What `make science` measured of a preset and its twin: the committed numbers, with seeds, device, versions and date."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from engine.detector import number as plain
from engine.folder import read_json

from pages.parts.words import number

MEASURED = Path(__file__).resolve().parent.parent.parent / "docs" / "measured"


def measured(lab: str, presets: Mapping[str, Any], name: str) -> None:
    """A table of ranges over the seeds; nothing is shown as measured that was not."""
    names = [n for n in (presets[name].get("broken") or name, presets[presets[name].get("broken") or name]["twin"]) if n]
    found = {n: told for n in names if (told := read_json(MEASURED / lab / f"{n}.json"))}
    if not found:
        st.caption("This preset has not been measured yet.")
        return
    shown = next(iter(found.values()))["shown"]
    keys = sorted({key for told in found.values() for key in told["summary"] if key.partition("@")[0] in shown})
    lines = [f"| at the end | {' | '.join(f'`{n}`' for n in found)} |", "| --- |" + " --- |" * len(found)]
    lines += [f"| `{key}` | {' | '.join(_range(told, key) for told in found.values())} |" for key in keys]
    st.markdown("\n".join(lines))
    first = next(iter(found.values()))
    seeds, versions = len(first["seeds"]), first["versions"]
    st.caption(f"Smallest to largest of {seeds} seeds. Measured {first['date']} on {first['device']}, torch {versions['torch']}.")


def _range(told: Mapping[str, Any], key: str) -> str:
    """ "16 to 21", or one number where all seeds agree; what is not finite is named."""
    values = told["summary"].get(key)
    if values is None:
        return "–"
    low, high = (number(plain(values[end])) for end in ("min", "max"))
    return low if low == high else f"{low} to {high}"
