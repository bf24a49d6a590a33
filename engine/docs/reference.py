"""`python -m engine.docs.reference docs` writes docs/reference/ from the catalogs: what is not declared is not documented.

A test compares the committed pages with what this file writes, so an undescribed knob, probe,
detector, remedy, table or column fails the suite.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.core.catalog import Catalog
from engine.declare.bounds import allowed
from engine.declare.measured import fill
from engine.declare.records import cures, printed_band, record, same_runs
from engine.declare.rules import KINDS
from engine.labs.common.noise_floors import with_floors
from engine.labs.describe import entry
from engine.labs.detector import Detector
from engine.labs.lab import Lab
from engine.labs.probe import Probe
from engine.runs.series import series_key, split_key

HEAD = "<!-- Written by `python -m engine.docs.reference docs`; edit the code, not this page. -->\n"
SAID = {  # of an answer
    "Paper": "paper",
    "Read from": "reading",
    "Where": "source",
    "Why no more is read": "why",
    "Differs": "differs",
    "Cost": "cost",
    "Fails": "fails",
}


def pages(measured: Path) -> dict[str, str]:
    """File name -> text of every reference page.  `measured`: the folder of committed measurements."""
    labs, broken = Catalog("", Lab).load()
    probes, broken_probes = Catalog("probes", Probe).load()
    detectors, broken_detectors = Catalog("detectors", Detector).load()
    for bad in [*broken, *broken_probes, *broken_detectors]:
        raise ImportError(f"{bad.file}: {bad.message}")
    out = {"probes.md": _probes(probes), "detectors.md": _detectors(detectors, measured / "detectors.json"), "store.md": _store()}
    for name, lab in labs.items():
        out[f"lab_{name}.md"] = _lab(name, lab, measured)
    return {name: f"{HEAD}\n{text.strip()}\n" for name, text in out.items()}


def _lab(name: str, lab: type[Lab], measured: Path) -> str:
    told = fill({"labs": [entry(name, lab)]}, measured)["labs"][0]
    parts = [f"# Lab `{name}`: {lab.title}", told["story"], "Papers: " + "; ".join(lab.papers) + ".", "## Presets"]
    for preset, p in told["presets"].items():
        over = " ".join(f"{k}={v}" for k, v in p["knobs"].items()) or "defaults"
        parts.append(f"### `{preset}`")
        if p.get("small"):
            parts.append(f"`{p['small']}`, larger, on a GPU.")
        elif p.get("broken"):
            parts.append(f"The {'cured ' if cures(told, p['broken'], measured) else ''}twin of `{p['broken']}`.")
        else:
            parts += [p["story"], f"*See:* {p['see']}"]
        same = [measured / name / f"{one}.json" for one in same_runs(told["presets"], preset)]
        parts += [f"`{over}`", *_measurement(same, lab.headline)]
    parts += ["## Knobs", _table(("knob", "default", "allowed", "about", "source"), _knob_rows(told["knobs"]))]
    parts += [f"* {KINDS[rule['rule']].written(rule)}: {rule['says']}" for rule in told["rules"]]
    for spec in told["knobs"]:
        if spec["kind"] == "question":
            parts.append(f"## `{spec['name']}`: {spec['about']}")
            for answer in spec["choices"]:
                parts += [f"### `{spec['name']}={answer['name']}`", answer["idea"], f"`{answer['formula']}`"]
                parts.append("\n".join(f"* {word}: {answer[key]}" for word, key in SAID.items() if answer[key]))
                if answer["knobs"]:
                    rows = _knob_rows(answer["knobs"], f"{spec['name']}.")
                    parts.append(_table(("knob", "default", "allowed", "about", "source"), rows))
    if told["panels"]:
        parts += ["## Panels", "Computed at once, without a run, on the page of the lab."]
    for panel in told["panels"]:
        parts += [f"### `{panel['name']}`: {panel['title']}", panel["about"], f"`{panel['formula']}`"]
        own = f"\n* Shown on a page of its own: `/{panel['page']}`" if panel["page"] else ""
        parts.append(f"* Paper: {panel['paper']}\n* Read from: {panel['reading']}{own}")
        parts.append(_table(("knob", "default", "allowed", "about", "source"), _knob_rows(panel["knobs"])))
    return "\n\n".join(parts)


def _measurement(same: Sequence[Path], headline: Iterable[str]) -> Iterator[str]:
    """The record of a preset.  `same`: where it would lie, and those of the presets with the very same knobs."""
    found = record(same[0])
    if found is None:
        other = next((path.stem for path in same[1:] if record(path)), None)
        yield f"The same knobs as `{other}`, so what is measured there holds here." if other else "Not measured yet."
        return
    shown = with_floors(list(headline))
    keys = [key for key in found["summary"] if key.endswith("|last") and split_key(key.removesuffix("|last"))[0] in shown]
    where = found["environment"]
    yield f"Measured {found['date']} on {where['device']}, torch {where['versions']['torch']}, {len(found['seeds'])} seeds:"
    rows = [(f"`{key.removesuffix('|last')}`", printed_band(found, key) or "") for key in keys]
    yield _table(("at the end", "median (9 of 10 new runs, n)"), rows)
    rows = [
        (run["seed"], run["status"], f"{run['cpu_seconds']:.0f}", *(_figure(run["values"].get(key)) for key in keys))
        for run in found["runs"]
    ]
    yield _table(("seed", "status", "CPU-seconds", *(f"`{key.removesuffix('|last')}`" for key in keys)), rows)


def _figure(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float | int) else str(value)


def _knob_rows(specs: Iterable[dict[str, Any]], prefix: str = "") -> Iterator[tuple[str, ...]]:
    for spec in specs:
        default = "" if spec["default"] is None else str(spec["default"])
        yield (f"`{prefix}{spec['name']}`", default, allowed(spec), spec["about"], spec["source"])


def _probes(probes: dict[str, type[Probe]]) -> str:
    parts = [
        "# Probes",
        "What is measured in a running training.  The knob `probes` is the cost dial: every probe up to that price attaches, "
        "if the lab provides what it needs.  The first and the last step are always read.",
    ]
    for name, probe in probes.items():
        every = "every step" if probe.every == 1 else f"every {probe.every} steps"
        need = f"; needs {probe.needs}" if probe.needs else ""
        parts += [f"## `{name}` ({probe.price}, {every}{need})", inspect.cleandoc(probe.__doc__ or "")]
        rows = [(f"`{series_key(m.name, 'LAYER' if m.layered else '')}`", m.unit, m.kind, m.about) for m in probe.metrics]
        parts.append(_table(("metric", "unit", "kind", "about"), rows))
    return "\n\n".join(parts)


def _detectors(detectors: dict[str, type[Detector]], measured: Path) -> str:
    parts = ["# Detectors", "Rules that turn readings into events; the same code runs in the worker and on stored runs."]
    parts += list(_alarms(detectors, measured))
    for name, detector in detectors.items():
        watches = ", ".join(f"`{w}`" for w in detector.watches)
        fatal = "  A run in which it fires ends `diverged`." if detector.fatal else ""
        parts += [f"## `{name}`", inspect.cleandoc(detector.__doc__ or "") + fatal, f"Watches {watches}."]
    return "\n\n".join(parts)


def _alarms(detectors: Iterable[str], measured: Path) -> Iterator[str]:
    """False alarms and lead of each rule, with the numbers of runs and steps behind them."""
    if not measured.is_file():
        yield "False alarms and lead to the damage: not measured yet (`python -m engine.docs.alarms`)."
        return
    told = json.loads(measured.read_text("utf-8"))
    yield f"False alarms and lead to the damage, measured {told['date']} over small runs of these labs."
    yield "\n".join(
        (
            "* False alarms: events in stable runs, per 10,000 steps; and the rate that so few exceed in one of twenty measurements.",
            "* Before the damage: in how many breaking runs the rule fired before it.",
            "* Lead: steps from the first event to the damage, where it fired: median and range, below 0 when the rule came later.",
            f"* Damage: {told['damage']}",
        )
    )
    head = ("rule", "false alarms per 10,000 stable steps", "before the damage", "lead, steps", "fired where the loss showed nothing")
    yield _table(head, [(f"`{name}`", *_alarm_cells(told["rules"].get(name))) for name in detectors])


def _alarm_cells(one: dict[str, Any] | None) -> tuple[str, ...]:
    if one is None:
        return ("not measured yet", "", "", "")
    stable, breaking, silent = one["stable"], one["breaking"], one["loss_unharmed"]
    rate = "no stable run" if not stable["steps"] else f"{stable['per_10000']:g}, at most {stable['at_most_per_10000']:g}"
    lead = breaking["lead"]
    return (
        f"{rate} ({stable['alarms']} in {stable['steps']:,} steps of {stable['runs']} runs)",
        f"{breaking['before']} of {breaking['runs']} runs",
        f"{lead['median']:g} ({lead['low']} to {lead['high']}, n = {breaking['fired']})" if lead else "",
        f"{silent['fired']} of {silent['runs']} runs",
    )


def _store() -> str:
    from engine.index import schema

    connection = schema.in_memory()
    parts = [
        "# The store",
        "`data/faultline.duckdb` is an index that `python -m engine rebuild` makes again from `data/runs/`.  "
        "People query the views in `main`; the tables in `store` are the engine's own.",
    ]
    tables = connection.sql(
        "SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE NOT internal "
        "UNION ALL SELECT schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
    ).fetchall()
    for schema_name, table, comment in tables:
        columns = connection.execute(
            "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
            [schema_name, table],
        ).fetchall()
        parts += [f"## `{schema_name}.{table}`", comment or ""]
        parts.append(_table(("column", "type", "about"), [(f"`{c}`", t, about or "") for c, t, about in columns]))
    return "\n\n".join(parts)


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def write(docs: Path) -> list[Path]:
    """Write every page under docs/reference/; returns the files."""
    folder = docs / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for name, text in pages(docs / "measured").items():
        (folder / name).write_text(text, "utf-8")
        out.append(folder / name)
    return out


if __name__ == "__main__":
    for path in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        sys.stdout.write(f"{path}\n")
