"""What a sweep comes to, in plain words, before anything is started: how many runs, how long, what exists already."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.duration import duration
from engine.scheduler.estimate import Estimate
from engine.scheduler.sweeps import Arm

CODE = (  # of an arm -> what is said of one, and of several
    ("older", "was made by other sources than today's", "were made by other sources than today's"),
    ("unknown", "does not say which sources made it", "do not say which sources made them"),
)


def sentences(arms: Sequence[Arm], estimate: Estimate, left_out: Sequence[str] = ()) -> list[str]:
    """ "18 runs, about 6 min, 2 at a time.", "5 of them exist already.", "7 of 18 not measured yet: …".  `estimate`: of the new ones."""
    new = sum(arm.run is None for arm in arms)
    old, runs = len(arms) - new, f"{len(arms)} runs" if len(arms) != 1 else "1 run"
    if not new:
        out = [f"{runs}, {'all of which exist' if old != 1 else 'which exists'} already: nothing has to be trained."]
    else:
        long = "" if estimate.seconds is None else f", {duration(estimate.seconds)}"
        out = [f"{runs}{long}, {estimate.at_a_time} at a time."]
    if new and old:
        out.append(f"{_exist(old)} already; {new} {'is' if new == 1 else 'are'} new.")
    if new and (unknown := new - estimate.measured_runs):
        out.append(f"{unknown} of {new} not measured yet: no run of that size tells how long a step takes here.")
    for word, one, many in CODE:
        if count := sum(arm.code == word for arm in arms):
            out.append(f"Of those that exist, {count} {one if count == 1 else many}.")
    if left_out:
        out.append(f"Left out, because a rule of the lab refuses them: {'; '.join(left_out)}")
    return out


def _exist(count: int) -> str:
    return "1 of them exists" if count == 1 else f"{count} of them exist"
