"""What the labs are, as JSON: computed in a child process that imports torch, cached by the content of the code.

The server and the command line read labs, knobs and presets from here and never import torch.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.device import torch_build
from engine.folder import read_json, write_json

ROOT = Path(__file__).resolve().parent.parent
KEEP = 3  # cached documents of other versions of the code

Document = dict[str, Any]
Progress = Callable[[str], None]
Compute = Callable[[Path, Progress, Path], None]


class LabsUnreadable(RuntimeError):
    """The child that computes the document failed; the message is one sentence."""


def key(root: Path = ROOT) -> str:
    """Changes with every file of engine/ and kernels/, and with the Python and torch versions.

    Pages ask it at every move of a slider, so the files are read again only when one looks different from outside.
    """
    return _digest(root, tuple(sorted(_files(root))))


def _files(root: Path) -> Iterator[tuple[str, int, int, int]]:
    """Name and looks (time of writing in ns, bytes, inode) of every file that counts."""
    for house in ("engine", "kernels"):
        for folder, below, names in os.walk(root / house):
            below[:] = [name for name in below if not name.startswith((".", "__pycache__"))]
            for name in names:
                if not name.startswith("."):
                    path = os.path.join(folder, name)
                    try:
                        found = os.stat(path)
                    except FileNotFoundError:  # an editor's short-lived file
                        continue
                    yield path, found.st_mtime_ns, found.st_size, found.st_ino


@functools.lru_cache(maxsize=4)
def _digest(root: Path, files: tuple[tuple[str, int, int, int], ...]) -> str:
    digest = hashlib.sha256(f"{platform.python_version()} {torch_build()}".encode())
    for name, *_ in files:
        path = Path(name)
        digest.update(f"\n{path.relative_to(root)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


def cached(data: Path, root: Path = ROOT) -> Document | None:
    """The document of exactly this code, if it was computed before."""
    return read_json(data / "cache" / f"labs-{key(root)}.json")


def labs_document(
    data: Path,
    *,
    fresh: bool = False,
    progress: Progress = lambda says: None,
    root: Path = ROOT,
    compute: Compute | None = None,
) -> Document:
    """The document of `labs --json`; computes it when the cache does not have it.  One computation at a time.

    `compute` writes it to a file, by default in a child process of its own.
    `progress` hears what the child does, sentence by sentence.  Raises LabsUnreadable.
    """
    found = None if fresh else cached(data, root)
    if found is not None:
        return found
    cache = data / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / "labs.lock"):
        found = None if fresh else cached(data, root)  # another process may have computed it while we waited
        if found is not None:
            return found
        place = cache / f"labs-{key(root)}.json"
        (compute or compute_in_child)(place, progress, root)
        _forget_old(cache, place)
    found = read_json(place)
    if found is None:
        raise LabsUnreadable("The labs were computed, but their document could not be read back.")
    return found


def compute_in_child(place: Path, progress: Progress, root: Path = ROOT) -> None:
    """Write the document to `place` from a fresh interpreter."""
    command = [sys.executable, "-m", "engine.labs_json", str(place.resolve())]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
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


# -- the child -------------------------------------------------------------------------------------


def document(progress: Progress = lambda says: None) -> Document:
    """Read every lab, probe and detector; a file that cannot be read becomes an entry of `errors` and hides nothing else."""
    progress("importing torch")
    import torch  # noqa: F401  -- labs import it anyway; here it has its own sentence

    from engine.catalog import Catalog
    from engine.detector import Detector
    from engine.lab import Lab, entry
    from engine.probe import Probe

    labs: list[Document] = []
    errors: list[Document] = []
    catalog = Catalog("engine.labs", Lab)
    for name in catalog.names():
        progress(f"reading the lab {name}")
        problems: list[tuple[str, Exception]] = []
        try:
            labs.append(entry(name, catalog[name], problems))
        except Exception as error:  # a newcomer's file may raise anything; it is shown on its own card
            problems.append((f"engine/labs/{name}.py", error))
        errors += [_error(file, problem) for file, problem in problems]
    progress("reading probes and detectors")
    probes, broken_probes = Catalog("engine.probes", Probe).load()
    detectors, broken_detectors = Catalog("engine.detectors", Detector).load()
    errors += [{"file": b.file, "says": b.says} for b in (*broken_probes, *broken_detectors)]
    unique = {(e["file"], e["says"]): e for e in errors}
    return {
        "labs": labs,
        "probes": [_probe(n, k) for n, k in probes.items()],
        "detectors": [{"name": n, "watches": list(k.watches), "fatal": k.fatal, "about": _about(k)} for n, k in detectors.items()],
        "errors": list(unique.values()),
    }


def _probe(name: str, kind: Any) -> Document:
    metrics = [{"name": m.name, "about": m.about, "unit": m.unit, "kind": m.kind, "layered": m.layered} for m in kind.metrics]
    return {"name": name, "price": kind.price, "about": _about(kind), "every": kind.every, "needs": kind.needs, "metrics": metrics}


def _about(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


def _error(file: str, error: Exception) -> Document:
    return {"file": file, "says": " ".join(f"{type(error).__name__}: {error}".split())}


if __name__ == "__main__":
    write_json(Path(sys.argv[1]), document(lambda says: print(f"… {says}", flush=True)))  # noqa: T201
