"""Runs that have ended: a few at a pass are sorted and exported, and each is left alone once its folder has settled.

They are not looked at meanwhile, so that a folder of many ended runs is indexed in a time that grows with their number.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.index.follower import Follower
from engine.runs.watch import settled

FEW, BYTES = 16, 4 * 2**20  # runs, and bytes of their spools, that are sorted in one pass


class EndedRuns:
    """`unsorted` and `unsettled` runs, in the order in which they ended; both read to their end."""

    def __init__(self) -> None:
        self.unsorted: dict[str, Follower] = {}
        self.unsettled: dict[str, Follower] = {}

    def __contains__(self, run: str) -> bool:
        return run in self.unsorted or run in self.unsettled

    def forget(self, run: str) -> None:
        self.unsorted.pop(run, None)
        self.unsettled.pop(run, None)

    def few(self) -> list[Follower]:
        """The next to be sorted: at least one where there is one."""
        chosen: list[Follower] = []
        size = 0
        for follower in self.unsorted.values():
            size += sum(follower.offsets.values())
            if chosen and (len(chosen) == FEW or size > BYTES):
                break
            chosen.append(follower)
        return chosen

    def take_settled(self) -> dict[str, Follower]:
        """Those whose folder has been quiet for long enough that one more look is the last."""
        return self._take({run for run, follower in self.unsettled.items() if settled(follower.changed)})

    def take_changed(self, present: Mapping[str, float]) -> dict[str, Follower]:
        """Those whose folder is no longer as it was: run -> modification time of its folder now."""
        both = self.unsorted | self.unsettled
        return self._take({run for run, follower in both.items() if present.get(run, follower.changed) != follower.changed})

    def _take(self, runs: set[str]) -> dict[str, Follower]:
        both = self.unsorted | self.unsettled
        for run in runs:
            self.forget(run)
        return {run: both[run] for run in both if run in runs}
