"""The table of all figures in README.md, between two markers, written from docs/measured/benchmarks.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


def write(readme: Path, document: Mapping[str, Any]) -> None:
    """Replace what lies between the markers."""
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme.name} has no place for the table; write {BEGIN} and {END} on lines of their own.")
    readme.write_text(f"{before}{BEGIN}\n{text(document)}\n{END}{after}")


def text(document: Mapping[str, Any]) -> str:
    """The table, with the machines above it and the reasons for missed budgets below.

    What was measured on another machine than the last one names its own, and has its letter in the table.
    """
    benchmarks = document["benchmarks"]
    machines = {name: one.get("machine", document["machine"]) for name, one in benchmarks.items()}
    kinds = [kind for n, kind in enumerate(machines.values()) if kind not in list(machines.values())[:n]]
    letters = {name: f" ({chr(ord('A') + kinds.index(kind))})" if len(kinds) > 1 else "" for name, kind in machines.items()}
    heads = [_machine(kind, [one for name, one in benchmarks.items() if machines[name] == kind]) for kind in kinds]
    lines = [
        *([f"* ({chr(ord('A') + n)}) {head}" for n, head in enumerate(heads)] if len(kinds) > 1 else heads),
        "",
        "| what | measured | budget | used | note |",
        "| --- | --- | --- | --- | --- |",
    ]
    reasons: list[str] = []
    for name, one in benchmarks.items():
        lines.append(f"| **{one['title']}**{letters[name]} | | | | |")
        for figure in one["figures"]:
            lines.append(row(figure, reasons))
    return "\n".join([*lines, *([""] if reasons else []), *(f"{n + 1}. {reason}" for n, reason in enumerate(reasons))])


def _machine(kind: Mapping[str, Any], benchmarks: Sequence[Mapping[str, Any]]) -> str:
    """One machine, and when and how busy these were measured on it."""
    versions = ", ".join(f"{name} {version}" for name, version in kind["versions"].items())
    days = sorted({one["date"] for one in benchmarks})
    loads = [load for one in benchmarks for load in one["load"].values()]
    gpus = ", ".join(kind["gpus"]) or "no GPU"
    return (
        f"{' to '.join(dict.fromkeys((days[0], days[-1])))}; {kind['processor']}, {kind['cores']} cores, {kind['memory_gib']} GiB, {gpus}, "
        f"{kind['system']}; {versions}; load average {min(loads):.1f} to {max(loads):.1f}."
    )


def row(figure: Mapping[str, Any], reasons: list[str]) -> str:
    """One figure; `used` is the part of its budget that it takes.  A missed budget points to its reason below the table."""
    note, used = figure["note"], ""
    if figure["budget"] is not None:
        used = f"{100 * figure['share']:.0f} %"
        if not figure["met"]:
            used = f"**{used}: missed**"
            if figure["reason"]:
                reasons.append(f"{figure['what'][:1].upper()}{figure['what'][1:]}: {figure['reason']}")
                note = f"{note} (see {len(reasons)})".strip()
    budget = "" if figure["budget"] is None else f"≤ {amount(figure['budget'], figure['unit'])}"
    return f"| {figure['what']} | {amount(figure['value'], figure['unit'])} | {budget} | {used} | {note} |"


def amount(value: float, unit: str) -> str:
    """Three digits and the unit; a ratio far below one as a fraction."""
    if unit == "×" and 0 < value < 0.2:
        return f"1/{1 / value:.0f}"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
