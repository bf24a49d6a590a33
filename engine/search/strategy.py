"""One way of choosing which runs come next, from what the others came to."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from engine.core.catalog import module_of, only_class
from engine.core.suggest import nearest
from engine.search.outcome import Outcome, Point

FOLDER = Path(__file__).parent / "strategies"


class Strategy(ABC):
    """`setting`: what the sweep's file holds of it.  ValueError, in one sentence, for a setting that it cannot have.

    Choices follow from setting and outcomes alone, so that another process goes on where one was killed.
    """

    name: ClassVar[str]  # of its file
    results: ClassVar[tuple[str, ...]] = ()  # what `result` writes beside the setting, and commands show

    def __init__(self, setting: Mapping[str, Any], folder: Path | None = None) -> None:
        """`folder`: where it may keep a file of its own beside the sweep."""
        self.setting, self.folder = setting, folder

    @property
    def metric(self) -> str:
        """NAME or NAME@LAYER that is read of each run."""
        return str(self.setting.get("metric") or "loss/train")

    @abstractmethod
    def following(self, outcomes: Sequence[Outcome]) -> list[Point]:
        """The points that come next and have no run yet; none where nothing follows from these outcomes."""

    def waits(self, outcomes: Sequence[Outcome]) -> bool:
        """Whether something may still follow once runs that go on have ended."""
        return any(not one.ended for one in outcomes)

    def result(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """What is written beside the setting when nothing follows any more; "ended" where that is so because something went wrong."""
        return {}

    def sentences(self) -> list[str]:
        """What was found, for a person; nothing before `result` was written."""
        return []


def names() -> list[str]:
    """The strategies that there are, without importing one."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.name[0].isalpha())


def strategy(setting: Mapping[str, Any], folder: Path | None = None) -> Strategy:
    """The strategy that a sweep's file describes.  ValueError, in one sentence, for one that does not exist or cannot be so."""
    name = str(setting.get("is"))
    if name not in names():
        raise ValueError(nearest("strategy", name, names()))
    kind = only_class(module_of(FOLDER / f"{name}.py"), Strategy)
    assert not inspect.isabstract(kind)
    return kind(setting, folder)
