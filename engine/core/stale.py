"""Code that a long-lived process has in memory and that has changed on disk since."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.core.paths import ROOT

ENGINE = ROOT / "engine"


def changed_since(moment: float, root: Path = ENGINE) -> list[str]:
    """Files under `root` that this process has imported and that were written after `moment` (unix time), relative to root's parent."""
    below = f"{root}/"
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) or ""
        if not file.startswith(below):  # as text: a page asks this every few seconds, and most modules are of others
            continue
        try:
            changed = os.stat(file).st_mtime > moment
        except OSError:  # it was deleted
            changed = True
        if changed:
            found.append(str(Path(file).relative_to(root.parent)))
    return sorted(found)
