"""Which runs one worker may train together, and whether that was measured to be faster: data/cache/stacking.json.

    {"KIND OF RUN": {"8": {"single_ms": 9.1, "stacked_ms": 0.9, "taken": 1765000000.0}, …}, …}

Both are milliseconds per run and step, taken once per kind and number of runs (engine/worker/stacking_cost.py).  A kind is the lab and
all knobs that are no real numbers, without those that only say how long, from where and how closely a run is looked at.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.core.files import read_json, write_json
from engine.core.paths import private_folder
from engine.declare.knobs import unnest

Spec = Mapping[str, Any]

TRAINS, PLAYS = "stack", "stacked_play"  # what a lab must provide (engine/labs/stacking.py)
WORDS = frozenset({TRAINS, PLAYS})
MOST = 32  # runs of one worker
WORTH = 1.5  # times as fast as alone, from which runs are trained together
FREE = frozenset({"seed", "data_seed", "lr", "clip"})
SIZELESS = frozenset({"seed", "data_seed", "steps", "warmup", "pretrain", "probes", "on_divergence"})
COULD_NOT = "its speed could not be measured"


class Cost(NamedTuple):
    """Milliseconds per run and step, alone and among `members`; both are 0 where it could not be measured."""

    members: int
    single_ms: float
    stacked_ms: float

    @property
    def gain(self) -> float:
        return self.single_ms / self.stacked_ms if self.stacked_ms > 0 else 0.0

    @property
    def worth_it(self) -> bool:
        return self.gain >= WORTH

    @property
    def sentence(self) -> str:
        if not self.stacked_ms:
            return f"Not trained together with others: {COULD_NOT}."
        figures = f"{self.stacked_ms:.3g} ms together and {self.single_ms:.3g} ms alone, {self.gain:.2g} times as fast"
        taken = f"measured here among {self.members} of its size, a step of one run takes {figures}"
        end = "" if self.worth_it else f", and {WORTH:g} times would be worth it"
        return f"{'Trained together' if self.worth_it else 'Not trained together with others'}: {taken}{end}."


def alike(spec: Spec, provides: frozenset[str]) -> str:
    """Equal for runs that may be trained together; empty for one that cannot be.

    Runs may differ in their seeds and in the real numbers of the optimizer; where the lab computes its steps itself (it plays), in
    every real number.
    """
    flat = unnest(dict(spec.get("knobs") or {}))
    if not provides & WORDS or flat.get("device") != "cpu" or flat.get("precision") not in ("fp32", "fp64"):
        return ""
    plays = PLAYS in provides

    def free(name: str, value: Any) -> bool:
        return name in FREE or (isinstance(value, float) and (plays or name.startswith("optimizer.")))

    knobs = {name: value for name, value in flat.items() if not free(name, value)}
    return json.dumps([spec.get("lab"), spec.get("edition"), knobs], sort_keys=True)


def kind(spec: Spec) -> str:
    """Under which name the speed of runs like this is kept."""
    flat = unnest(dict(spec.get("knobs") or {}))
    sizes = {name: value for name, value in flat.items() if name not in SIZELESS and not isinstance(value, float)}
    return " ".join([str(spec.get("lab")), *(f"{name}={value}" for name, value in sorted(sizes.items()))])


def counted(members: int) -> int:
    """For how many runs the speed is measured where so many shall be trained together: the next lower power of two."""
    return min(MOST, 1 << (max(2, members).bit_length() - 1))


def cost(data: Path, spec: Spec, members: int) -> Cost | None:
    """What was measured of runs like this; None where nothing was."""
    return _read(data, spec).get(counted(members))


def note(data: Path, spec: Spec, measured: Cost, taken: float) -> None:
    """Keep what was measured.  OSError."""
    private_folder(data / "cache")
    with _alone(data):
        known = read_json(_file(data)) or {}
        entry = known.get(kind(spec))
        figures = {"single_ms": measured.single_ms, "stacked_ms": measured.stacked_ms, "taken": taken}
        write_json(_file(data), known | {kind(spec): {**(entry if isinstance(entry, dict) else {}), str(measured.members): figures}})


def reason(data: Path, spec: Spec, members: int) -> str:
    """Why so many runs are trained together, in one sentence; empty where nothing was measured."""
    found = cost(data, spec, members)
    return found.sentence if found is not None and found.worth_it else ""


def against(data: Path, spec: Spec) -> str:
    """Why a run like this is not trained together with others, in one sentence; empty where it would be, or nobody has tried."""
    known = _read(data, spec).values()
    return "" if not known or any(one.worth_it for one in known) else max(known, key=lambda one: one.gain).sentence


def _read(data: Path, spec: Spec) -> dict[int, Cost]:
    entry = (read_json(_file(data)) or {}).get(kind(spec))
    out = {}
    for members, figures in entry.items() if isinstance(entry, dict) else ():
        with contextlib.suppress(TypeError, ValueError, KeyError):  # a damaged entry is measured again
            out[int(members)] = Cost(int(members), float(figures["single_ms"]), float(figures["stacked_ms"]))
    return out


def _file(data: Path) -> Path:
    return data / "cache" / "stacking.json"


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    with open(data / "cache" / "stacking.lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
