"""A component of our own, out of files that lie in this folder: the one place where such components are registered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent
SHARED = "own_component.js"  # before the scripts of each


def own_component(name: str, *scripts: str, style: str | None = None, more_style: str = "") -> Callable[..., Any]:
    """-> what mounts it.  `scripts`, which share one scope in this order, and `style` are paths within pages/parts; `more_style` is CSS."""
    return st.components.v2.component(
        name,
        js="\n".join((HERE / script).read_text("utf-8") for script in (SHARED, *scripts)),
        css=None if style is None else more_style + (HERE / style).read_text("utf-8"),
        isolate_styles=False,
    )
