"""From a request for a map to how its sweep grows and to the declarations from which it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.suggest import nearest
from engine.declare.axes import parse
from engine.declare.resolve import KnobError, LabJson
from engine.declare.sweep import MOST, Plan, of_points, specs_of
from engine.scheduler import estimate
from engine.scheduler.preview import sentences
from engine.scheduler.sweeps import Arm
from engine.search.lattice import FIRST, MOST_FIRST, MOST_REFINE, REFINE, Lattice, listed, ruled
from engine.search.strategies.map import Map

SEED = "seed"


@dataclass(frozen=True)
class MapRequest:
    """`plan`: the runs from which the map begins; `setting`: what the sweep's file holds; `axes`: x, y and perhaps a third."""

    plan: Plan
    setting: Mapping[str, Any]
    axes: tuple[Lattice, ...]

    @property
    def most(self) -> int:
        """Runs of the map if every box were refined as far as it may be."""
        points = 1
        for axis in self.axes:
            points *= len(set(axis.values))
        return min(MOST, points * len(self.plan.seeds))


def map_request(
    lab: LabJson,
    preset: str | None,
    given: Mapping[str, Any],
    *,
    metric: str = "loss/train",
    level: float | None = None,
    first: int = FIRST,
    refine: int = REFINE,
) -> MapRequest:
    """`given`: knob -> a value, a range of numbers `a..b`, or values with commas between them; `seed` may have several.

    The knobs with a range come first and lie along x and y; one with chosen values takes y where one range was given, or is the third
    axis, a picture for each value.  KnobError, in one sentence, for what makes no map.
    """
    if not 2 <= first <= MOST_FIRST:
        raise KnobError(f"A map of {first} values on each side at first is out of bounds; give 2 to {MOST_FIRST}.")
    if not 0 <= refine <= MOST_REFINE:
        raise KnobError(f"A map cannot be refined {refine} times; give 0 to {MOST_REFINE}.")
    specs = specs_of(lab)
    if unknown := [name for name in given if name not in specs]:
        raise KnobError(nearest(f"knob of {lab['lab']}", unknown[0], specs))
    ranges, lists, base = [], [], {}
    seeds: tuple[int, ...] = (0,)
    for name, text in given.items():
        spec = specs[name][-1]
        if name == SEED:
            seeds = tuple(parse(spec, name, str(text)).values)  # type: ignore[union-attr]
        elif isinstance(text, str) and ".." in text and "/" not in text and "," not in text and spec["kind"] in ("int", "float"):
            low, _, high = text.partition("..")
            ranges.append(ruled(spec, name, *(_number(name, end) for end in (low, high)), first=first, refine=refine))
        else:
            values = parse(spec, name, text).values if isinstance(text, str) else (text,)  # type: ignore[union-attr]
            if len(values) > 1:
                lists.append(listed(name, values))
            else:
                base[name] = values[0]
    axes = (*ranges, *lists)
    if not ranges or not 2 <= len(axes) <= 3 or len(ranges) > 2:
        said = f"{len(ranges)} with a range and {len(lists)} with several values were given"
        raise KnobError(
            f"A map has two knobs, one of them with a range, and perhaps a third with chosen values; {said}: "
            "write lr=1e-4..1 weight_decay=0..1 or lr=1e-4..1 clip=0,1 for example."
        )
    setting = {
        "is": "map",
        "open": True,
        "axes": [axis.json() for axis in axes],
        "first": first,
        "refine": refine,
        "metric": metric,
        "level": level,
    }
    points = Map(setting).first()
    if len(points) * len(seeds) > MOST:
        raise KnobError(
            f"The map would begin with {len(points) * len(seeds):,} runs; at most {MOST} are allowed: give fewer values or seeds."
        )
    return MapRequest(of_points(lab, preset, base, points, seeds), setting, axes)


def _number(name: str, text: str) -> float | int:
    try:
        value = float(text)
    except ValueError:
        raise KnobError(f"{name} has the end {text!r:.40}, which is no number; write {name}=1e-4..1 for example.") from None
    return int(value) if value == int(value) and "e" not in text.lower() and "." not in text else value


def preview(data: Path, wanted: MapRequest, begun: Sequence[Arm]) -> list[str]:
    """What the map comes to, in sentences: what it begins with, and how many runs it may grow to."""
    estimated = estimate.of_many(data, [arm.declared for arm in begun if arm.run is None])
    out = sentences(begun, estimated, wanted.plan.left_out)
    if wanted.most > len(begun):
        out.append(f"That is how it begins; where neighbours disagree it is refined, up to {wanted.most:,} runs.")
    return out
