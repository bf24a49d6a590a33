"""The folder is the register: one public file (or folder) in a catalog folder is one entry, under its file name."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from engine.core.suggest import nearest

T = TypeVar("T")


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


@dataclass(frozen=True)
class Broken:
    """A file of a catalog that could not be read, and why, in one sentence."""

    file: str
    says: str


class Catalog(Generic[T]):
    """The classes of `kind` that the files of `package` define, by file name; nothing is imported before it is asked for."""

    def __init__(self, package: str, kind: type[T]) -> None:
        self.package, self.kind = package, kind

    def names(self) -> list[str]:
        """File names in alphabetical order, without importing one of them."""
        path = importlib.import_module(self.package).__path__
        return sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))

    def __getitem__(self, name: str) -> type[T]:
        """Import one entry.  KeyError for a name that is no file, TypeError for a file without exactly one entry."""
        if name not in self.names():
            raise KeyError(nearest(self.package.rsplit(".", 1)[-1].removesuffix("s"), name, self.names()))
        return only_class(f"{self.package}.{name}", self.kind)

    def load(self) -> tuple[dict[str, type[T]], list[Broken]]:
        """Every entry that imports, and a `Broken` for each that does not, so that one bad file hides no other."""
        good: dict[str, type[T]] = {}
        bad: list[Broken] = []
        for name in self.names():
            try:
                good[name] = self[name]
            except Exception as error:  # a newcomer's file may raise anything; it is shown on its own card
                where = Path(*self.package.split(".")) / f"{name}.py"
                bad.append(Broken(str(where), f"{type(error).__name__}: {error}"))
        return good, bad
