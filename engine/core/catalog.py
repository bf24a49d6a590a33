"""The folder is the register: one public file in a catalog folder of any topic is one entry, under its file name."""

from __future__ import annotations

import importlib
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from engine.core.left_out import LeftOut
from engine.core.paths import ROOT
from engine.core.suggest import nearest

T = TypeVar("T")

LABS = ROOT / "engine" / "labs"
SHARED = ("common", "optimizer")  # folders of engine/labs/ that are no topic


def only_class(module_name: str, kind: type[T]) -> type[T]:
    """Import a file -> its one public class of `kind`.  TypeError when it defines none or several."""
    module = importlib.import_module(module_name)
    found = [
        thing
        for key, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, kind) and thing.__module__ == module.__name__ and not key.startswith("_")
    ]
    if len(found) != 1:
        raise TypeError(f"{module_name.replace('.', '/')}.py defines {len(found)} {kind.__name__} classes; exactly one is allowed.")
    return found[0]


def module_of(file: Path, root: Path = ROOT) -> str:
    """The dotted name under which a file below the root is imported."""
    return ".".join(file.relative_to(root).with_suffix("").parts)


def topics(labs: Path = LABS) -> list[str]:
    """The topics, from the folders of engine/labs/, in alphabetical order."""
    return sorted(f.name for f in labs.iterdir() if f.is_dir() and f.name[0].isalpha() and f.name not in SHARED)


@dataclass(frozen=True)
class Broken:
    """A file of a catalog that could not be read, and why, in one sentence.  `kind`: "lab", "probe", …; `name`: of the entry."""

    file: str
    message: str
    kind: str = ""
    name: str = ""

    def json(self) -> dict[str, str]:
        """An entry of `errors` in `labs --json`."""
        return {"file": self.file, "says": self.message, "kind": self.kind, "name": self.name}


def broken_file(file: str, error: Exception, kind: str, name: str) -> Broken:
    """What to say of a file whose import or reading raised `error`."""
    message = error.why if isinstance(error, LeftOut) and error.file == file else f"{type(error).__name__}: {error}"
    return Broken(file, " ".join(message.split()).removesuffix(":"), kind, name)


class Catalog(Generic[T]):
    """The classes of `kind` in `engine/labs/*/<folder>/*.py`, by file name; `folder` "" means the labs, which lie in the topics themselves.

    Listing reads the file system and imports nothing.  Names are unique over all topics: a name that two files bear is broken.
    """

    def __init__(self, folder: str, kind: type[T], labs: Path = LABS) -> None:
        self.folder, self.kind, self.labs, self.root = folder, kind, labs, labs.parent.parent

    def names(self) -> list[str]:
        """File names in alphabetical order over all topics, without importing one of them."""
        return sorted(self._files())

    def file(self, name: str) -> str:
        """Where an entry lies, relative to the root.  KeyError for a name that is no file."""
        return self._known(name)[0].relative_to(self.root).as_posix()

    def topic(self, name: str) -> str:
        """The folder of engine/labs/ in which an entry lies.  KeyError for a name that is no file."""
        return self._known(name)[0].relative_to(self.labs).parts[0]

    def __getitem__(self, name: str) -> type[T]:
        """Import one entry.  KeyError for a name that is no file, TypeError for one that is not exactly one entry."""
        return self._entry(self._known(name))

    def _entry(self, files: list[Path]) -> type[T]:
        if len(files) > 1:
            where = " and ".join(f.relative_to(self.root).as_posix() for f in files)
            raise TypeError(f"{where} bear the same name; rename one of them.")
        return only_class(module_of(files[0], self.root), self.kind)

    def load(self, only: Container[str] | None = None) -> tuple[dict[str, type[T]], list[Broken]]:
        """Every entry (of `only`) that imports, and a `Broken` for each that does not, so that one bad file hides no other."""
        good: dict[str, type[T]] = {}
        bad: list[Broken] = []
        for name, files in sorted(self._files().items()):
            if only is not None and name not in only:
                continue
            try:
                good[name] = self._entry(files)
            except Exception as error:  # a newcomer's file may raise anything; it is shown on its own card
                bad.append(self.broken(name, error))
        return good, bad

    def broken(self, name: str, error: Exception) -> Broken:
        """The entry of the labs document for a file that raised `error`."""
        return broken_file(self.file(name), error, self._word(), name)

    def _word(self) -> str:
        return self.folder.removesuffix("s") or "lab"

    def _known(self, name: str) -> list[Path]:
        files = self._files()
        if name not in files:
            raise KeyError(nearest(self._word(), name, files))
        return files[name]

    def _files(self) -> dict[str, list[Path]]:
        folders = sorted(self.labs.glob(f"*/{self.folder}")) if self.folder else [self.labs / topic for topic in topics(self.labs)]
        out: dict[str, list[Path]] = {}
        for folder in folders:
            for path in sorted(folder.glob("*.py")):
                if not path.name.startswith(("_", ".")):
                    out.setdefault(path.stem, []).append(path)
        return out
