"""From classes to the parts of the document of `labs --json`: labs with presets, knobs and panels, probes and detectors."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from engine.core import sources
from engine.core.catalog import Broken, Catalog
from engine.core.paths import ROOT
from engine.declare.knobs import Flat, Problems, describe
from engine.declare.measured import ANSWER_TEXTS
from engine.declare.placeholders import EVENT, Known, PlaceholderError, check
from engine.declare.presets import Preset, override
from engine.declare.texts import PresetText, TextError, Texts, read
from engine.labs.detector import Detector
from engine.labs.lab import Lab
from engine.labs.panel import TEXTS, Panel
from engine.labs.probe import Metric, Probe

Document = dict[str, Any]
Part = dict[str, list[Any]]


def describe_labs(topic: str, reading: Callable[[str], AbstractContextManager[None]]) -> Part:
    """The labs of one topic; a file that cannot be read becomes an entry of `errors` and hides nothing else.

    `reading` is entered with the file of each lab that is being described.
    Texts keep their placeholders: the document is filled when it is read (`engine.declare.measured`).
    """
    labs: list[Document] = []
    broken: Problems = []
    catalog = Catalog("", Lab)
    for name in catalog.names():
        if catalog.topic(name) != topic:
            continue
        problems: Problems = []
        try:
            with reading(catalog.file(name)):
                labs.append(entry(name, catalog[name], problems))
        except TextError as error:
            problems.append(Broken(error.file, error.complaint, "lab", name))
        except Exception as error:  # a newcomer's file may raise anything; it is shown on its own card
            problems.append(catalog.broken(name, error))
        broken += problems
    return {"labs": labs, "errors": [one.json() for one in broken]}


def describe_probes() -> Part:
    """The probes and detectors of all topics."""
    probes, broken_probes = Catalog("probes", Probe).load()
    detectors, broken_detectors = Catalog("detectors", Detector).load()
    return {
        "probes": [_probe(n, k) for n, k in probes.items()],
        "detectors": [{"name": n, "watches": list(k.watches), "fatal": k.fatal, "about": _about(k)} for n, k in detectors.items()],
        "errors": [one.json() for one in [*broken_probes, *broken_detectors]],
    }


def _probe(name: str, kind: Any) -> Document:
    metrics = [_metric(m) for m in kind.metrics]
    return {"name": name, "price": kind.price, "about": _about(kind), "every": kind.every, "needs": kind.needs, "metrics": metrics}


def _metric(m: Metric) -> Document:
    """Its scale and bounds too; an end that does not bound it is null."""
    bounds = {end: value if math.isfinite(value) else None for end, value in (("low", m.low), ("high", m.high))}
    text = {"name": m.name, "about": m.about, "unit": m.unit, "kind": m.kind, "layered": m.layered}
    return {**text, "of": m.of, "share": m.share, "whole": m.whole, **bounds}


def _about(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


def _preset(p: Preset, text: PresetText, knobs: Flat, **links: str | None) -> dict[str, Any]:
    see = f"Not measured on a GPU yet; these are the numbers of the CPU preset. {text.see}" if links.get("small") else text.see
    out: dict[str, Any] = {"story": text.story, "see": see, "twin": None, "gpu": None, "grid": p.grid or None, "knobs": knobs}
    derived = bool(links.get("arm") or links.get("broken"))
    out |= {"kind": "compared" if derived else p.kind, "deciding": p.deciding.metric if p.deciding else ""}
    out |= {"decides": p.deciding.json() if p.deciding else None, "level": None if derived else p.level, "breaks_at": p.level}
    out |= {"order": 0 if derived else p.order, "difficulty": p.difficulty, "phenomena": list(p.phenomena)}
    return out | links


def entry(name: str, lab: type[Lab], problems: Problems | None = None) -> dict[str, Any]:
    """One lab in the shape of `labs --json`; answers and panels that cannot be read are told in `problems`.

    TextError, in one sentence, for a Markdown file that is missing or does not fit the lab.
    """
    texts = texts_of(name, lab)
    panels = describe_panels(name, problems, texts.panels)
    out = {
        "lab": name,
        "title": lab.title,
        "icon": lab.icon,
        "papers": list(lab.papers),
        "edition": lab.edition,
        "editions": {str(number): message for number, message in lab.editions.items()},
        "story": texts.story,
        "provides": sorted(lab.provides),
        "headline": list(lab.headline),
        "thresholds": {metric: list(levels) for metric, levels in lab.thresholds.items()},
        "chart_notes": texts.charts,
        "presets": expand_presets(lab, texts.presets),
        "knobs": describe(lab, problems),
        "rules": [rule.json() for rule in lab.rules],
        "panels": panels,
    }
    out["code"] = _code(name, out["provides"], out["knobs"])
    known = _check_texts(texts, lab, out)
    _check_answers(lab, out["knobs"], known, problems)
    _check_panels(panels, known, problems)
    return out


def _code(lab: str, provides: list[str], knobs: list[Document]) -> dict[str, str]:
    """Hashes of the sources that decide trainings (engine/core/sources.py): the lab's under "", an answer's under QUESTION=ANSWER.

    Empty for a lab that is in no catalog, as in tests, or whose files disappear: which code it was is not known then.
    """
    answers = [(spec["name"], choice["name"]) for spec in knobs if spec["kind"] == "question" for choice in spec["choices"]]
    try:
        own = sources.hashes(sources.of_declaration(lab, provides, []))
        return {"": sources.digest(own)} | {f"{q}={a}": sources.digest(sources.hashes(sources.answer_files(q, a))) for q, a in answers}
    except (KeyError, OSError, SyntaxError):
        return {}


def texts_of(name: str, lab: type[Lab]) -> Texts:
    """What the Markdown beside the lab's file says, with raw placeholders."""
    path = Path(inspect.getfile(lab)).with_suffix(".md")
    return read(path, name, path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name)


def _check_texts(texts: Texts, lab: type[Lab], json_: Document) -> Known:
    """-> what the placeholders of the lab may name.  Charts are listed, not imported: they draw with Plotly.

    TextError for a heading or a placeholder of the Markdown that names what does not exist.
    """
    charts = Catalog("charts", object).names()
    panels = [panel["name"] for panel in json_["panels"]]
    texts.check_names(lab.presets, charts, panels)
    probes, broken = Catalog("probes", Probe).load()
    metrics: dict[str, set[bool]] = {}
    for metric in (m for probe in probes.values() for m in probe.metrics if m.kind == "scalar"):
        metrics.setdefault(metric.name, set()).add(metric.layered)
    metrics |= {f"{EVENT}{rule}": set() for rule in Catalog("detectors", Detector).names()}
    known = Known(frozenset(json_["presets"]), frozenset(_knob_names(json_["knobs"])), None if broken else metrics, lab.thresholds)
    _check_every(texts.every(), known, texts.file)
    return known


def _check_every(texts: Iterable[str], known: Known, file: str) -> None:
    """TextError, with the file, for the first placeholder that names what does not exist."""
    for text in texts:
        try:
            check(text, known)
        except PlaceholderError as error:
            raise TextError(file, str(error)) from None


def _check_answers(lab: type[Lab], specs: list[Document], known: Known, problems: Problems | None) -> None:
    """An answer with a placeholder that names what does not exist is told in `problems` and taken out, as one that cannot be read.

    TextError, with the answer's file, for a question's default, or without that list.
    """
    for spec in specs:
        if spec["kind"] != "question":
            continue
        folder = getattr(lab.model_fields[spec["name"]].annotation, "__module__", "").replace(".", "/")
        for choice in list(spec["choices"]):
            try:
                _check_every((choice[key] for key in ANSWER_TEXTS), known, f"{folder}/{choice['name']}.py")
            except TextError as error:
                if problems is None or choice["name"] == spec["default"]:
                    raise
                problems.append(Broken(error.file, error.complaint, "answer", choice["name"]))
                spec["choices"].remove(choice)


def _check_panels(panels: list[Document], known: Known, problems: Problems | None) -> None:
    """The same for what panels say of themselves."""
    catalog = Catalog("panels", Panel)
    for panel in list(panels):
        try:
            _check_every([panel["about"]], known, catalog.file(panel["name"]))
        except TextError as error:
            if problems is None:
                raise
            problems.append(Broken(error.file, error.complaint, "panel", panel["name"]))
            panels.remove(panel)


def _knob_names(specs: list[Document]) -> list[str]:
    """The flat names of all knobs, those of every answer included."""
    inner = [(s["name"], one["name"]) for s in specs for choice in s["choices"] for one in choice.get("knobs", [])]
    return [spec["name"] for spec in specs] + [f"{question}.{name}" for question, name in inner]


def expand_presets(lab: type[Lab], texts: Mapping[str, PresetText] | None = None) -> dict[str, dict[str, Any]]:
    """Every preset with its derived twins (`_cured`, `_gpu`, `_cured_gpu`) and ladder arms, as in `labs --json`.

    `knobs` holds the flat overrides of that preset only.  `broken` of a twin names the preset it cures.
    Twins and arms have the texts of the preset they are derived from.
    """
    out: dict[str, dict[str, Any]] = {}
    for name, p in lab.presets.items():
        text = (texts or {}).get(name, PresetText())
        out[name] = _preset(p, text, p.knobs, twin=f"{name}_cured" if p.cure else None, gpu=f"{name}_gpu" if p.gpu else None)
        if p.cure:
            cured = override(p.knobs, p.cure)
            out[f"{name}_cured"] = _preset(p, text, cured, broken=name, gpu=f"{name}_cured_gpu" if p.gpu else None)
        if p.gpu:
            large = override(p.knobs, p.gpu)
            out[f"{name}_gpu"] = _preset(p, text, large, twin=f"{name}_cured_gpu" if p.cure else None, small=name)
        if p.gpu and p.cure:
            large = override(override(p.knobs, p.cure), p.gpu)
            out[f"{name}_cured_gpu"] = _preset(p, text, large, broken=f"{name}_gpu", small=f"{name}_cured")
        for knob_name, values in p.grid.items():
            for value in values:
                out[f"{name}_{value}"] = _preset(p, text, override(p.knobs, {knob_name: value}), arm=name)
    return out


def describe_panels(lab: str, problems: Problems | None = None, more: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The panels of a lab, in the order of its page and in the shape of `labs --json`.  `more`: what its Markdown adds to their `about`.

    A file that cannot be read is told in `problems` of every lab, for nobody knows whose it is; without that list it raises.
    """
    catalog = Catalog("panels", Panel)
    found = []
    for name in catalog.names():
        try:
            kind = catalog[name]
            one = {"name": name, **{text: getattr(kind, text) for text in TEXTS}, "page": kind.page, "knobs": describe(kind, problems)}
            one["about"] = " ".join(filter(None, [kind.about, (more or {}).get(name)]))
            if lab in kind.labs:
                found.append((kind.order, name, one))
        except Exception as error:  # a newcomer's file may raise anything; it is shown on its own card
            if problems is None:
                raise
            problems.append(catalog.broken(name, error))
    return [one for _, _, one in sorted(found, key=lambda each: each[:2])]
