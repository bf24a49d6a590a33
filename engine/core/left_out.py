"""Files of labs and kernels that are left out, because importing them does harm; and which of them is being imported now.

A file that loops, exits or crashes when it is imported is left out: importing it is an ordinary error with one sentence, in
this process and in every child that it forks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

from engine.core.paths import ROOT

OURS = tuple(".".join(folders) + "." for folders in (("engine", "labs"), ("kernels",)))  # modules of which others write files

LEFT_OUT: dict[str, str] = {}  # file, relative to the root -> why, in one sentence


class LeftOut(ImportError):
    """A file was not imported.  `file` is relative to the root, `why` one sentence about it."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file} is left out. {why}")
        self.file, self.why = file, why


def leave_out(files: Mapping[str, str], *, only: bool = False) -> None:
    """From now on importing these files (file -> why) raises LeftOut; one that was imported before stays.  `only`: and no others."""
    for file in [file for file in LEFT_OUT if only and file not in files]:
        del LEFT_OUT[file]
    LEFT_OUT.update(files)
    if LEFT_OUT and FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)


class Finder:
    """Finds our files as Python does.  `begins` and `ends` hear of each import; a file whose import never ends has only begun.

    A file that calls sys.exit, or wants more memory than there is, is told to `harms` and is an ordinary error.
    """

    def __init__(self) -> None:
        self.begins: Callable[[str], None] = lambda file: None
        self.ends: Callable[[str], None] = lambda file: None
        self.harms: Callable[[str, str], None] = lambda file, why: None

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not name.startswith(OURS):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Watched(spec.loader.name, spec.loader.path)
        return spec


FINDER = Finder()


class _Watched(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        file = Path(self.path)
        name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else self.path
        if name in LEFT_OUT:
            raise LeftOut(name, LEFT_OUT[name])
        FINDER.begins(name)
        try:
            super().exec_module(module)
        except (SystemExit, MemoryError) as error:
            harm = LeftOut(name, _harm(error))
            FINDER.harms(name, harm.why)
            FINDER.ends(name)
            raise harm from None
        except Exception:
            FINDER.ends(name)
            raise
        FINDER.ends(name)


def _harm(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"Reading it ends Python by sys.exit({'' if error.code is None else repr(error.code)})."
    return "Reading it asks for more memory than a file may have."
