"""Which runs a comparison counts, and which it does not and why; no word of what they came to."""

from __future__ import annotations

from collections.abc import Mapping

from engine.compare.arms import Arms
from engine.compare.overview import still_out

COUNTS = (
    "A run counts with its last stored value once it has finished, and as diverged if it diverged, whatever it measured last. "
    "One that goes on, or ended before its last step, has no value."
)


def notes(arms: Arms, standing: Mapping[str, str]) -> list[str]:
    """One sentence for each thing that keeps a run from counting."""
    out = []
    coming = {name: (done, of) for name, (done, of) in still_out(arms, standing).items() if done < of}
    if coming:
        parts = [f"{done} of {of} of {name}" for name, (done, of) in list(coming.items())[:4]]
        more = f" and so on for {len(coming) - 4} more arms" if len(coming) > 4 else ""
        out.append(f"Not all runs have ended: {', '.join(parts)}{more}.")
    for arm in arms.arms:
        if arm.repeats:
            many = len(arm.repeats)
            what = "1 run repeats a seed and data order" if many == 1 else f"{many} runs repeat a seed and data order"
            out.append(f"{arm.name}: {what}; of such runs only the first that finished or diverged counts.")
    for name in arms.mixed:
        out.append(f"{name}: not all of its runs were trained by the same version of the code, or it is not known.")
    if "edition" in arms.differing:
        out.append("Some runs are of an older edition of the lab, in which the same knobs meant another curve; they are arms of their own.")
    return out
