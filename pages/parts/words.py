"""How numbers, durations, names and statuses are said to a person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.core import nonfinite
from engine.core.duration import duration
from engine.declare.revise import written

LONG = {
    **{"lr": "learning-rate", "gpu": "on the GPU", "adamw": "AdamW", "sgd": "SGD", "vit": "ViT", "unet": "UNet"},
    **{"ba": "Barabási-Albert", "ws": "Watts-Strogatz", "sbm": "stochastic blocks"},
    **{"gtr": "GTR", "fosr": "FoSR", "sdrf": "SDRF", "borf": "BORF", "gdc": "GDC", "piorf": "PIORF"},
    **{"drew": "DRew", "signnet": "SignNet", "spe": "SPE", "l2": "L2"},
}
SUFFIXES = ("", "k", "M", "G", "T")  # of a thousand each; never one below 1, which reads as a unit ("1.848 m")
STEADY = 20  # steps, before which what one takes says little about the others
SMALLEST, LARGEST = 1e-4, 1e4  # plainly written from the one up to the other


class StatusStyle(NamedTuple):
    word: str
    icon: str
    colour: str  # a Streamlit colour name; the theme gives it an Okabe-Ito hue
    message: str


STATUS: dict[str, StatusStyle] = {
    "queued": StatusStyle("queued", ":material/schedule:", "gray", "Waits for a free slot on this machine."),
    "running": StatusStyle("running", ":material/play_circle:", "blue", "Is training now."),
    "held": StatusStyle("held", ":material/pause_circle:", "orange", "Paused; it keeps its place in memory."),
    "finished": StatusStyle("finished", ":material/check_circle:", "green", "Came to its last step."),
    "stopped": StatusStyle("stopped", ":material/stop_circle:", "orange", "Was stopped by hand; what it measured is kept."),
    "diverged": StatusStyle("diverged", ":material/trending_up:", "red", "The loss or the gradient left every sensible range."),
    "failed": StatusStyle("failed", ":material/error:", "red", "The program ended with an error; see the log below."),
    "killed": StatusStyle("killed", ":material/cancel:", "red", "The process was ended from outside."),
    "lost": StatusStyle("lost", ":material/help:", "red", "The process is gone and left no word."),
    "unreadable": StatusStyle("unreadable", ":material/lock_clock:", "gray", "Its folder cannot be read; the run's page says why."),
}


def number(value: Any, digits: int = 4) -> str:
    """Four significant digits: k, M, G from 10,000 on, a power of ten below 0.0001; NaN and infinities by name."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value not in nonfinite.WORDS:
        return value
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "−Inf"
    value = float(f"{value:.{digits - 1}e}")  # rounded first, so that no suffix and no power is one too small
    size = abs(value)
    if value == 0:
        return "0"
    if SMALLEST <= size < LARGEST:
        return f"{value:.{digits + 4}f}".rstrip("0").rstrip(".") if size < 1 else f"{value:.10g}"
    power = (len(f"{size:.0f}") - 1) // 3
    if size > 1 and power < len(SUFFIXES):
        return f"{value / 1000**power:.{digits}g} {SUFFIXES[power]}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def knob_value(value: Any) -> str:
    """A knob as one types it, without loss: on a ragged boundary the seventh digit of a learning rate decides."""
    return "–" if value is None else written(value)


def title(name: str) -> str:
    """A name of the code as a heading: `lr_burst` -> "Learning-rate burst"; a Greek letter stays small."""
    words = " ".join(LONG.get(word, word) for word in name.split("_")).replace("non ", "non-").replace("nu DRew", "νDRew").strip()
    return (words[:1].upper() if words[:1].isascii() else words[:1]) + words[1:]


def standing(run: str, queue: Mapping[str, str]) -> str:
    """What a queued run is told: its place, and what it waits for."""
    if run not in queue:
        return "about to start"
    place = list(queue).index(run) + 1
    return f"{'next in line' if place == 1 else f'place {place} of {len(queue)} in the queue'}; {queue[run]}"


def progress(state: Mapping[str, Any], status: str) -> tuple[float, str]:
    """-> (share done, sentence) from state.json and the status."""
    step, steps = int(state.get("step") or 0), int(state.get("steps") or 0)
    share = min(1.0, step / steps) if steps else 0.0
    counted = f"step {step:,} of {steps:,}" if steps else ""
    if status == "queued":
        return 0.0, "waiting for a free slot"
    if status == "running":
        phase = str(state.get("phase") or "starting")
        if phase != "training":
            return share, f"{counted} · {phase}" if step else phase
        if step < STEADY:
            return share, f"{counted} · estimating the time left" if counted else ""
        left = duration((steps - step) * float(state.get("step_seconds") or math.nan))
        return share, f"{counted} · {left} left" if left else counted
    return share, counted


def ago(seconds: float) -> str:
    """How long since: "just now", "5 min ago", "3 h ago", "2 days ago"."""
    if seconds < 60:
        return "just now"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago" if seconds < 129_600 else f"{seconds / 86_400:.0f} days ago"
