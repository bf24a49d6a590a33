"""Twins start in the same pass, or wait together: a person compares them while they run, step by step."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.runs.folder import RunFolder
from engine.runs.spool import spools
from engine.scheduler.slots import Slots

PATIENCE = 50  # passes in which the declaration of a twin may come; whoever wrote the first may have died
INCOMPLETE = "its twin is being declared"


class Pairs:
    """Remembers only how long it has waited for the second declaration of a pair."""

    def __init__(self, data: Path) -> None:
        self.data = Path(data)
        self._passes: dict[str, int] = {}

    def fits(self, folder: RunFolder, slots: Slots) -> tuple[bool, str | None, str]:
        """As `Slots.fits`; a run waits, too, until its twin is declared, which takes a moment."""
        twin = self._twin(folder)
        if twin is not None and not twin.declared() and twin.path.exists() and self._passes.get(folder.run, 0) < PATIENCE:
            self._passes[folder.run] = self._passes.get(folder.run, 0) + 1
            return False, None, INCOMPLETE
        fits, gpu, why = slots.fits(folder)
        alone = not fits and twin is not None and twin.declared() and not slots.ever_both(folder, twin)
        return fits, gpu, f"{why}; this machine has room for one of the pair at a time" if alone else why

    def with_twin(self, folder: RunFolder, waiting: Iterable[RunFolder], slots: Slots) -> tuple[RunFolder | None, str]:
        """-> (the twin that starts in the same pass, if there is one; why both have to wait, else "").

        A run that goes on from an earlier attempt, and one whose pair never fits on this machine, starts alone.
        """
        twin = self._twin(folder)
        queued = next((one for one in waiting if twin is not None and one.run == twin.run), None)
        if queued is None or spools(folder.path) or spools(queued.path) or not slots.ever_both(folder, queued):
            return None, ""
        both, why = slots.fits_both(folder, queued)
        return queued, "" if both else f"the pair starts together, and {why}"

    def _twin(self, folder: RunFolder) -> RunFolder | None:
        run = (folder.spec() or {}).get("twin")
        return RunFolder(self.data / "runs" / str(run)) if run else None
