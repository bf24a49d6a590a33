"""Code that a long-lived process has in memory and that has changed on disk since."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def changed_since(moment: float, root: Path = HERE) -> list[str]:
    """Files under `root` that this process has imported and that were written after `moment` (unix time), relative to root's parent."""
    found = []
    for module in list(sys.modules.values()):
        file = Path(getattr(module, "__file__", None) or "/")
        try:
            if file.is_relative_to(root) and file.stat().st_mtime > moment:
                found.append(str(file.relative_to(root.parent)))
        except OSError:  # it was deleted
            found.append(str(file.relative_to(root.parent)))
    return sorted(found)
