"""What the labs are, as JSON: computed in a child process that imports torch, cached by the content of the code.

The cache keeps the placeholders of the texts; they are filled from docs/measured/ when the document is read.
The server and the command line read labs, knobs and presets from here and never import torch.
"""

from __future__ import annotations

import fcntl
import functools
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.core import started
from engine.core.code_key import key
from engine.core.disk import check_room, refused
from engine.core.environment import for_workers
from engine.core.files import read_json
from engine.core.left_out import leave_out
from engine.core.paths import ROOT, private_folder
from engine.declare.measured import fill

KEEP = 3  # cached documents of other versions of the code

Document = dict[str, Any]
Progress = Callable[[str], None]
Compute = Callable[[Path, Progress, Path], None]


class LabsUnreadable(RuntimeError):
    """The child that computes the document failed; the message is one sentence."""


def cached(data: Path, root: Path = ROOT) -> Document | None:
    """The document of exactly this code, if it was computed before."""
    raw = _cached(data, root)
    return None if raw is None else fill(raw, measured_folder(root))


def labs_document(data: Path, *, fresh: bool = False, progress: Progress = lambda message: None, root: Path = ROOT) -> Document:
    """The document of `labs --json`, its texts filled with what is measured.  Raises LabsUnreadable."""
    return fill(raw_document(data, fresh=fresh, progress=progress, root=root), measured_folder(root))


def provided(data: Path, root: Path = ROOT) -> dict[str, frozenset[str]]:
    """Lab -> the words of what it provides, as far as the document of this code is there; nothing is computed."""
    file = data / "cache" / f"labs-{key(root)}.json"
    try:
        return _provided(file, file.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}


@functools.lru_cache(maxsize=4)
def _provided(file: Path, _written: int) -> dict[str, frozenset[str]]:
    labs = (read_json(file) or {}).get("labs", [])
    return {str(one["lab"]): frozenset(one.get("provides", ())) for one in labs if isinstance(one, dict) and "lab" in one}


def measured_folder(root: Path = ROOT) -> Path:
    """Where the records lie from which the texts are filled."""
    return root / "docs" / "measured"


def _cached(data: Path, root: Path) -> Document | None:
    return _read(data / "cache" / f"labs-{key(root)}.json", root)


def _read(file: Path, root: Path) -> Document | None:
    """The document in a file.  What it says does harm, this process imports no more."""
    document = read_json(file)
    if document is not None and root == ROOT:
        leave_out(document.get("left_out", {}), only=True)
    return document


def raw_document(
    data: Path,
    *,
    fresh: bool = False,
    progress: Progress = lambda message: None,
    root: Path = ROOT,
    compute: Compute | None = None,
) -> Document:
    """The document before its texts are filled; computes it when the cache does not have it.  One computation at a time.

    `compute` writes it to a file, by default in a child process of its own.
    `progress` hears what the child does, sentence by sentence.  Raises LabsUnreadable.
    """
    found = None if fresh else _cached(data, root)
    if found is not None:
        return found
    cache = data / "cache"
    file = cache / f"labs-{key(root)}.json"
    try:
        private_folder(cache)
        check_room(cache)
        with _alone(cache / "labs.lock"):
            found = None if fresh else _cached(data, root)  # another process may have computed it while we waited
            if found is None:
                (compute or compute_in_child)(file, progress, root)
                _forget_old(cache, file)
    except OSError as error:
        if not refused(error):
            raise
        return _computed_elsewhere(compute or compute_in_child, progress, root)
    found = found or _read(file, root)
    if found is None:
        raise LabsUnreadable("The labs were computed, but their document could not be read back.")
    return found


def _computed_elsewhere(compute: Compute, progress: Progress, root: Path) -> Document:
    """Without the cache, where the disk of the data folder takes no writes: in the machine's folder for temporary files."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "labs.json"
        compute(file, progress, root)
        found = _read(file, root)
    if found is None:
        raise LabsUnreadable(f"The labs were computed, but neither the data folder nor {tempfile.gettempdir()} could hold their document.")
    return found


def leave_out_known(data: Path, root: Path = ROOT) -> None:
    """Never import a file that is known to do harm, in a process that was not forked from one that knows."""
    _cached(data, root)


def compute_in_child(file: Path, progress: Progress, root: Path = ROOT) -> None:
    """Write the document to `file` from a fresh interpreter."""
    command = [sys.executable, "-m", started.DESCRIBE, str(file.resolve())]
    environment = for_workers({"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"})
    pipe: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=root, env=environment, encoding="utf-8", errors="replace", **pipe) as child:
        said: list[str] = []
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("… "):
                progress(line[2:].strip())
            elif line.strip():
                said = [*said[-20:], line.strip()]
    if child.returncode != 0:
        why = said[-1] if said else f"exit code {child.returncode}"
        raise LabsUnreadable(f"The labs could not be read: {why}.")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_old(cache: Path, keep: Path) -> None:
    old = sorted((p for p in cache.glob("labs-*.json") if p != keep), key=lambda p: p.stat().st_mtime)
    for path in old[:-KEEP]:
        path.unlink(missing_ok=True)
