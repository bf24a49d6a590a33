"""The texts of the labs filled with what is measured: placeholders become numbers out of docs/measured/<lab>/<preset>.json.

A text is filled when it is read, so a new measurement changes every page at once and no number can drift.  What has no record
says so in its place; `verify` names it, and a record of other knobs, as an error.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.declare.placeholders import PLACEHOLDER, Placeholder, PlaceholderError, parse, replace
from engine.declare.records import MEASURED, UNKNOWN, listed, printed_band, printed_direction, printed_pair, record, values

ANSWER_TEXTS = ("idea", "cost", "fails", "differs", "why")

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
    if "knobs" in lab:
        out["knobs"] = [{**spec, "choices": [_answer(one, filled) for one in spec.get("choices", ())]} for spec in lab["knobs"]]
    return out


def _answer(one: Document, filled: Any) -> Document:
    """An answer of a question with its texts filled; the options of a plain knob have none."""
    return {**one, **{key: filled(one[key]) for key in ANSWER_TEXTS if key in one}}


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


def texts(lab: Document) -> Iterator[tuple[str, str]]:
    """Every text of a lab's entry that may hold placeholders, with the preset under whose heading it is written ("" for none)."""
    presets: Mapping[str, Document] = lab["presets"]
    yield "", lab["story"]
    for note in lab["chart_notes"].values():
        yield "", note
    for panel in lab["panels"]:
        yield "", panel["about"]
    for name, one in presets.items():
        for key in ("story", "see"):
            yield _base(presets, name), one[key]
    for spec in lab["knobs"]:
        for choice in spec["choices"]:
            for key in ANSWER_TEXTS:
                if key in choice:
                    yield "", choice[key]


def ratios(lab: Document) -> Iterator[tuple[str, str]]:
    """Which presets the texts of a lab compare with each other."""
    for _, text in texts(lab):
        for match in PLACEHOLDER.finditer(text):
            one = parse(match[0])
            if one.verb in ("ratio", "compare"):
                yield one.presets[0], one.presets[1]


def metrics(lab: Document) -> set[str]:
    """The metrics that the texts of a lab quote, without their layers."""
    found = {parse(match[0]).name for _, text in texts(lab) for match in PLACEHOLDER.finditer(text)}
    return {name for name in found if name}


def verify(lab: Document, folder: Path = MEASURED, unmeasured: frozenset[str] = frozenset()) -> None:
    """Unmeasured or Outdated, in one sentence, for the first placeholder of the lab's unfilled texts that no record of today answers.

    `unmeasured`: LAB/PRESET that need none yet.
    """

    def current(one: Placeholder, preset: str) -> str:
        if any(_full(name, lab) in unmeasured for name in one.presets):
            return UNKNOWN
        for name in one.presets:
            _of_today(name, lab, folder)
        return _exact(one, lab, preset, folder)

    for preset, text in texts(lab):
        replace(text, functools.partial(current, preset=preset))


def _of_today(preset: str, lab: Document, folder: Path) -> None:
    """Outdated when a record is of another preset, or its runs went on to another step than the preset's last.

    A run that diverged may have ended early.
    """
    path = _path(lab, preset, folder)
    found = record(path) or {}
    if not found or "/" in preset:
        return
    steps = _knob(lab, preset, "steps")
    if (found["lab"], found["preset"]) != (lab["lab"], preset):
        raise Outdated(f"{_called(path)} is a record of {found['preset']} of {found['lab']}; measure {preset} again.")
    for run in found["runs"]:
        if run["status"] == "finished" and str(run["steps"]) != steps:
            raise Outdated(f"{_called(path)} was measured over {run['steps']} steps, the preset has {steps} now; measure it again.")


def _value(one: Placeholder, lab: Document, preset: str, folder: Path) -> str:
    try:
        return _exact(one, lab, preset, folder)
    except Unmeasured:
        return f"({UNKNOWN})" if one.verb == "shown" else UNKNOWN


def _exact(one: Placeholder, lab: Document, preset: str, folder: Path) -> str:
    """What stands in the place of a placeholder; Unmeasured where no record tells it."""
    if one.verb == "cite":
        return one.rest
    if one.verb == "knob":
        return _knob(lab, preset, one.rest)
    if one.verb == "shown":
        return _shown(one, lab, folder)
    path = _path(lab, one.presets[0], folder)
    found = record(path)
    if found is None:
        raise Unmeasured(f"{_called(path)} does not exist, so {one.metric} is not known; measure the preset.")
    told = _printed(one, found)
    if told is None:
        raise Unmeasured(f"{_called(path)} does not hold {one.metric} ({one.stat}){_beside(one)}; measure the preset again.")
    return told


def _shown(one: Placeholder, lab: Document, folder: Path) -> str:
    """The runs that show what a sentence says; Unmeasured where one of them has no record, for then nothing shows it yet."""
    names = []
    for preset in one.presets:
        path = _path(lab, preset, folder)
        if record(path) is None:
            raise Unmeasured(f"{_called(path)} does not exist, so no run shows what is said; measure the preset.")
        names.append(path.stem if path.parent.name == lab.get("lab") else f"{path.stem} of {path.parent.name}")
    return f"(seen in {listed(names)})"


def _printed(one: Placeholder, document: Document) -> str | None:
    if one.verb == "band":
        return printed_band(document, one.key)
    if one.verb == "ratio":
        return printed_pair(document, one.presets[1], one.key)
    if one.verb == "compare":
        return printed_direction(document, one.presets[1], one.key)
    column = values(document, one.key)
    if one.key not in document["summary"]:
        return None
    reached = sum(v is not None and (v > one.level if one.sign == ">" else v < one.level) for v in column)
    return f"{reached} of {len(column)}"


def _beside(one: Placeholder) -> str:
    return f" beside that of {one.presets[1]}" if len(one.presets) > 1 else ""


def _full(preset: str, lab: Document) -> str:
    return preset if "/" in preset else f"{lab.get('lab')}/{preset}"


def _path(lab: Document, preset: str, folder: Path) -> Path:
    return folder / f"{_full(preset, lab)}.json"


def _called(path: Path) -> str:
    """A record as messages call it: LAB/PRESET.json."""
    return f"{path.parent.name}/{path.name}"


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
