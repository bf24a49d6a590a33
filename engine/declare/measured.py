"""The texts of the labs filled with what is measured: placeholders become numbers out of docs/measured/<lab>/<preset>.json.

A text is filled when it is read, so a new measurement changes every page at once and no number can drift.  What has no record
says so in its place; `verify` names it, and a record of other knobs, as an error.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.core.files import read_json
from engine.core.nonfinite import number
from engine.core.paths import ROOT
from engine.declare.placeholders import Placeholder, PlaceholderError, replace

MEASURED = ROOT / "docs" / "measured"
UNKNOWN = "not measured yet"
MILLION = " million"
NARROW = 1.05  # two ends nearer to each other than this need three digits to be told apart, others two

Document = dict[str, Any]
Stamp = tuple[tuple[str, int, int], ...]


class Unmeasured(PlaceholderError):
    """A placeholder for which docs/measured has no number; the message says which record is missing or lacks it."""


class Outdated(PlaceholderError):
    """A placeholder whose record was measured with another preset or number of steps than today's."""


class Filled:
    """A labs document whose texts follow the records: filled again only when one of their files has changed."""

    def __init__(self, raw: Document, folder: Path = MEASURED) -> None:
        self._raw, self._folder = raw, folder
        self._state: tuple[Stamp, Document] | None = None

    def now(self) -> Document:
        found, state = stamp(self._folder), self._state
        if state is None or state[0] != found:
            self._state = state = (found, fill(self._raw, self._folder))
        return state[1]


def stamp(folder: Path) -> Stamp:
    """Name, time of writing and size of every record."""
    try:
        labs = sorted(one.path for one in os.scandir(folder) if one.is_dir())
        return tuple((f.path, f.stat().st_mtime_ns, f.stat().st_size) for lab in labs for f in os.scandir(lab) if f.name.endswith(".json"))
    except OSError:  # no folder, or a file that is being replaced
        return ()


def fill(document: Document, folder: Path = MEASURED) -> Document:
    """The labs document with every placeholder filled; `document` itself stays as it is."""
    return {**document, "labs": [_lab(lab, folder) for lab in document.get("labs", [])]}


def _lab(lab: Document, folder: Path) -> Document:
    presets: Mapping[str, Document] = lab.get("presets", {})

    def filled(text: str, preset: str = "") -> str:
        return fill_text(text, lab, preset, folder)

    out = {**lab, "story": filled(lab["story"])} if "story" in lab else dict(lab)
    if presets:
        out["presets"] = {
            name: {**one, **{key: filled(one[key], _base(presets, name)) for key in ("story", "see")}} for name, one in presets.items()
        }
    if "chart_notes" in lab:
        out["chart_notes"] = {name: filled(note) for name, note in lab["chart_notes"].items()}
    if "panels" in lab:
        out["panels"] = [{**panel, "about": filled(panel["about"])} for panel in lab["panels"]]
    return out


def _base(presets: Mapping[str, Document], name: str) -> str:
    """The preset under whose heading the text of a twin, a ladder's arm or a GPU variant is written."""
    one = presets[name]
    above = one.get("arm") or one.get("small") or one.get("broken")
    return _base(presets, above) if above else name


def fill_text(text: str, lab: Document, preset: str = "", folder: Path = MEASURED) -> str:
    """One text of a lab.  `preset`: under whose heading it is written; "" for none."""
    try:
        return replace(text, lambda one: _value(one, lab, preset, folder))
    except PlaceholderError:  # found when the text was loaded; here it must not hide a page
        return text


def verify(lab: Document, folder: Path = MEASURED) -> None:
    """Unmeasured or Outdated, in one sentence, for the first placeholder of the lab's unfilled texts that no record of today answers."""

    def current(one: Placeholder, preset: str) -> str:
        for name in one.presets:
            _of_today(name, lab, folder)
        return _exact(one, lab, preset, folder)

    presets: Mapping[str, Document] = lab["presets"]
    texts = [("", lab["story"]), *(("", note) for note in lab["chart_notes"].values()), *(("", panel["about"]) for panel in lab["panels"])]
    texts += [(_base(presets, name), one[key]) for name, one in presets.items() for key in ("story", "see")]
    for preset, text in texts:
        replace(text, functools.partial(current, preset=preset))


def _of_today(preset: str, lab: Document, folder: Path) -> None:
    """Outdated when a record is of another preset, or its runs went on to another step than the preset's last.

    A run that diverged may have ended early.
    """
    path = _path(lab, preset, folder)
    found, steps = record(path) or {}, _knob(lab, preset, "steps")
    mine = (lab["lab"], preset)
    if found and (found.get("lab"), found.get("preset")) != mine:
        raise Outdated(f"{_called(path)} is a record of {found.get('preset')} of {found.get('lab')}; measure {preset} again.")
    for run in found.get("runs", []):
        if run["status"] == "finished" and str(run["steps"]) != steps:
            raise Outdated(f"{_called(path)} was measured over {run['steps']} steps, the preset has {steps} now; measure it again.")


def _value(one: Placeholder, lab: Document, preset: str, folder: Path) -> str:
    try:
        return _exact(one, lab, preset, folder)
    except Unmeasured:
        return UNKNOWN


def _exact(one: Placeholder, lab: Document, preset: str, folder: Path) -> str:
    """What stands in the place of a placeholder; Unmeasured where no record tells it."""
    if one.verb == "cite":
        return one.rest
    if one.verb == "knob":
        return _knob(lab, preset, one.rest)
    columns = [_column(one, _path(lab, name, folder)) for name in one.presets]
    if one.verb == "count":
        values = columns[0].values()
        reached = sum(v is not None and (v > one.level if one.sign == ">" else v < one.level) for v in values)
        return f"{reached} of {len(values)}"
    if one.verb == "band":
        return band(list(columns[0].values()))
    top, bottom = columns
    return band([_quotient(top[seed], bottom[seed]) for seed in top if seed in bottom])


def _column(one: Placeholder, path: Path) -> dict[Any, float | None]:
    found = record(path)
    if found is None:
        raise Unmeasured(f"{_called(path)} does not exist, so {one.metric} is not known; measure the preset.")
    column = statistic(found, one)
    if not column:
        raise Unmeasured(f"{_called(path)} does not hold {one.metric} ({one.stat}) for each of its seeds; measure the preset again.")
    return column


def _path(lab: Document, preset: str, folder: Path) -> Path:
    return folder / str(lab.get("lab")) / f"{preset}.json"


def _called(path: Path) -> str:
    """A record as messages call it: LAB/PRESET.json."""
    return f"{path.parent.name}/{path.name}"


def _quotient(top: float | None, bottom: float | None) -> float | None:
    if top is None or bottom is None:
        return None
    return top / bottom if bottom else math.nan


def _knob(lab: Document, preset: str, name: str) -> str:
    """A knob as the preset sets it, else its default under the answers that the preset names."""
    given: Mapping[str, Any] = lab.get("presets", {}).get(preset, {}).get("knobs", {})
    specs = {spec["name"]: spec for spec in lab.get("knobs", [])}
    question, dot, _ = name.partition(".")
    if name not in given and dot and question in specs:
        answers = {choice["name"]: choice.get("knobs", []) for choice in specs[question]["choices"]}
        chosen = given.get(question, specs[question]["default"])
        specs |= {f"{question}.{spec['name']}": spec for spec in answers.get(chosen, [])}
    value = given[name] if name in given else specs.get(name, {}).get("default")
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


# -- records -----------------------------------------------------------------------------------------------


def record(path: Path) -> Document | None:
    """What is measured of one preset; None where nothing is."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _record(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=512)
def _record(path: Path, _written: int, _size: int) -> Document | None:
    return read_json(path)


def statistic(document: Document, one: Placeholder) -> dict[Any, float | None]:
    """Seed -> value; None where a level was never reached.  {} when the record does not hold this statistic for every seed."""
    out: dict[Any, float | None] = {}
    for run in document.get("runs", []):
        if one.stat == "below":
            levels, key = run.get("first_at_or_below", {}).get(one.metric, {}), f"{one.level:g}"
        else:
            levels, key = run.get({"last": "metrics", "max": "largest"}.get(one.stat, one.stat), {}), one.metric
        if key not in levels:
            return {}
        out[run["seed"]] = number(levels[key])
    return out


# -- printing ----------------------------------------------------------------------------------------------


def band(values: Sequence[float | None]) -> str:
    """Smallest to largest, in one number where both print alike; what is not finite or was never reached is named."""
    if not values:
        return UNKNOWN
    kept = [v for v in values if v is not None and math.isfinite(v)]
    if not kept:
        return "never" if None in values else "not finite"
    low, high = min(kept), max(kept)
    digits = 3 if low > 0 and high < NARROW * low else 2
    first, last = _pair(low, high, digits)
    printed = first if first == last else f"{first} to {last}"
    return printed if len(kept) == len(values) else f"{printed} on {len(kept)} of {len(values)} seeds"


def _pair(low: float, high: float, digits: int) -> tuple[str, str]:
    """Both ends in one notation: "6.0e8", "4.0e12"; "4.9", "44 million"."""
    first, last = _printed(low, digits), _printed(high, digits)
    if first.endswith(MILLION) and "e" in last:
        return _power(low, digits), last
    if first.endswith(MILLION) and last.endswith(MILLION) and first != last:
        return first.removesuffix(MILLION), last
    return first, last


def _printed(value: float, digits: int) -> str:
    """ "16", "0.0069", "84,000", "19 million", "4.0e12"."""
    size = abs(value)
    if value == int(value) and size < 1e5:
        return f"{int(value):,}"
    if size >= 1e9 or size < 1e-4:
        return _power(value, digits)
    if size >= 1e6:
        return _rounded(value / 1e6, digits) + MILLION
    return _rounded(value, digits)


def _power(value: float, digits: int) -> str:
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa}e{int(power)}"


def _rounded(value: float, digits: int) -> str:
    """So many significant digits, in plain notation with commas."""
    short = float(f"{value:.{digits - 1}e}")
    return f"{short:,.{max(0, digits - 1 - math.floor(math.log10(abs(short))))}f}"
