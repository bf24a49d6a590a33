"""Which heavy libraries a room may load: all its modules are imported in a fresh interpreter, and the file that asks for more is named."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.walls.tree import module_name, parsed, source_files

HEAVY = frozenset(
    {
        *("torch", "torch_geometric", "lightning", "cuda", "numpy", "scipy", "sklearn", "PIL"),
        *("pandas", "polars", "duckdb", "pyarrow", "plotly", "streamlit", "starlette"),
        *("pydantic", "psutil", "optuna", "engine", "pages"),
    }
)
_FILES = frozenset({"engine", "psutil"})
_DECLARED = _FILES | {"pydantic"}
_INDEX = _DECLARED | {"duckdb", "polars", "numpy", "pyarrow"}
_SCIENCE = _DECLARED | {"torch", "numpy", "cuda"}
ALLOWED: Mapping[str, frozenset[str]] = {  # group of files -> what importing them may load of HEAVY
    "core": _FILES,
    "runs": _FILES,
    "declare": _DECLARED,
    "figures": _DECLARED | {"plotly", "polars", "numpy"},
    "detectors": _FILES,
    "science": _SCIENCE,
    "pyg": _SCIENCE | {"torch_geometric", "pandas", "pyarrow"},  # the last two come with torch_geometric, and nowhere else in the labs
    "worker": _SCIENCE | {"lightning", "PIL", "scipy"},  # the last two come with lightning
    "statistics": _FILES | {"numpy", "scipy"},
    "index": _INDEX,
    "compare": _INDEX | {"scipy"},
    "scheduler": _DECLARED,
    "search": _DECLARED,
    "server": _INDEX | {"starlette"},
    "commands": _INDEX,
    "docs": _INDEX | _SCIENCE | {"plotly", "scipy"},
    "kernels": frozenset({"torch", "numpy", "cuda"}),
    "pages": HEAVY - {"torch", "torch_geometric", "lightning", "cuda", "optuna"},
}
PYG = "pyg_"  # how files of engine/labs/TOPIC/models/ begin that may import PyTorch Geometric, at their top
DRAWING = {
    "chart",
    "panel",
    "panel_frames",
    "common/traces",
    "common/profiles",
    "common/noise_floors",
}  # below engine/labs/, as charts/, panels/

WATCH = """
import importlib, os, sys
root, banned, modules = sys.argv[1], set(sys.argv[2].split()), sys.argv[3:]
ours = tuple(os.path.join(root, name) for name in ("engine/", "kernels/", "pages/", "app.py"))
asking = {}  # library -> the file of ours that asked for it last: whoever only looks whether it is installed asks before

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in banned:
            frame = sys._getframe(1)
            while frame and not frame.f_code.co_filename.startswith(ours):
                frame = frame.f_back
            asking[name] = os.path.relpath(frame.f_code.co_filename, root) if frame else "?"

sys.meta_path.insert(0, Watch())
for module in modules:
    importlib.import_module(module)
for name in sorted(banned & sys.modules.keys()):
    print("LOADED", name, asking.get(name, "?"))
"""


def group(path: str) -> str:
    """The group of a file, given relative to the root; "" for one that is a program, not a module."""
    parts = path.split("/")
    if path.endswith("__main__.py") or parts[0] == "app.py" or (parts[0] == "pages" and parts[1] != "parts"):
        return ""
    if parts[0] != "engine":
        return parts[0]
    if len(parts) == 2:
        return "commands"
    if parts[1] != "labs":
        return parts[1]
    if "detectors" in parts[:-1]:
        return "detectors"
    if parts[-1].startswith(PYG):
        return "pyg"
    drawing = {"charts", "panels"} & set(parts[:-1]) or "/".join(parts[2:]).removesuffix(".py") in DRAWING
    return "figures" if drawing else "science"


def late_library(root: Path) -> Iterator[str]:
    """Imports of PyTorch Geometric, also inside a function, in another place than the top of a file that is imported late."""
    for file in source_files(root):
        path = file.relative_to(root)
        late = file.name.startswith(PYG) and path.parts[:2] == ("engine", "labs") and path.parts[3] == "models"
        top = set(parsed(file).body) if late else set()
        for node in ast.walk(parsed(file)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if node not in top and any(module.partition(".")[0] == "torch_geometric" for module in modules):
                yield f"{path.as_posix()}: PyG in the wrong place, only the top of engine/labs/*/models/{PYG}*.py may import it"


def too_heavy(root: Path, name: str) -> Iterator[str]:
    """Files of the group `name` that load a library which it may not load."""
    files = [file for file in source_files(root) if group(file.relative_to(root).as_posix()) == name]
    banned = HEAVY - ALLOWED[name]
    arguments = [str(root.resolve()), " ".join(banned), *(module_name(root, file) for file in files)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", WATCH, *arguments], cwd=root, capture_output=True, text=True, env=environment)
    if done.returncode:
        yield f"{name}: not every file can be imported, {done.stderr.strip().splitlines()[-1]}"
    loaded: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("LOADED "):
            _, library, here = line.split(" ", 2)
            loaded.setdefault(here, []).append(library)
    yield from (f"{here}: heavy library, {name} may not load {', '.join(found)}" for here, found in loaded.items())
