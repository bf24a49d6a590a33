"""Below the charts: knobs, provenance, log and downloads of the runs on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import streamlit as st

from engine.declare.knobs import Flat, differing, unnest
from engine.labs.chart import RunStyle
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder
from pages.parts.plain import code, plain, plain_cells
from pages.parts.words import knob_value

LAST_LINES = 50


def below(
    looks: Sequence[RunStyle], specs: Sequence[Mapping[str, Any]], folders: Sequence[RunFolder], lab: Mapping[str, Any] | None
) -> None:
    """The tabs; only the open one is made, and the log while it is read follows its run."""
    follow = None if all(folder.status() in ENDED for folder in folders) else 2
    writes: dict[str, Callable[[], object]] = {
        "Knobs": lambda: knobs(looks, specs, about_knobs(lab)),
        "Provenance": lambda: provenance(looks, folders),
        "Log": lambda: st.fragment(log, run_every=follow)(looks, folders),
        "Download": lambda: downloads(looks),
    }
    for tab, write in zip(st.tabs(list(writes), key="below", on_change="rerun"), writes.values(), strict=True):
        if tab.open:
            with tab:
                write()


def difference(specs: Sequence[Mapping[str, Any]]) -> str:
    """One line of Markdown that says in which knobs twins differ; the knobs of an answer stand with the answer."""
    flats = [unnest(spec["knobs"]) for spec in specs]
    changed = differing(flats)
    parts = []
    for name in changed:
        head, _, tail = name.partition(".")
        if not tail or head not in changed:
            said = [_answer(flat, name, changed) for flat in flats]
            parts.append(f"**{code(name)}** " + " → ".join(said))
    return f"Same start, same data; only this differs: {', '.join(parts)}." if parts else "The runs have the same knobs."


def _answer(flat: Flat, name: str, changed: Sequence[str]) -> str:
    inner = [f"{plain(k.partition('.')[2])} {plain(knob_value(v))}" for k, v in flat.items() if k.startswith(f"{name}.") and k in changed]
    return f"**{plain(knob_value(flat.get(name))) or 'nothing'}**" + (f" ({', '.join(inner)})" if inner else "")


def knobs(looks: Sequence[RunStyle], specs: Sequence[Mapping[str, Any]], described: Mapping[str, Mapping[str, Any]]) -> None:
    """Every knob, those that differ first and marked."""
    flats: list[Flat] = [unnest(spec["knobs"]) for spec in specs]
    changed = differing(flats)
    names = [*changed, *(name for flat in flats for name in flat if name not in changed)]
    rows: list[dict[str, str]] = []
    for name in dict.fromkeys(names):
        mark = "**" if name in changed else ""
        row = {"≠": "≠" if name in changed else "", "knob": f"{mark}{code(name)}{mark}".replace("|", r"\|")}
        row |= {plain(look.label): f"{mark}{plain(knob_value(flat.get(name)))}{mark}" for look, flat in zip(looks, flats, strict=True)}
        about = described.get(name, {})
        written = {"unit": about.get("unit", ""), "what it is": about.get("about", "")}
        rows.append(row | {head: text.replace("|", r"\|") for head, text in written.items()})
    if not rows:
        st.caption("No knobs are known.")
        return
    heads = [head for head in rows[0] if changed or head != "≠"]
    lines = [heads, ["---"] * len(heads), *([row[head] for head in heads] for row in rows)]
    st.markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))  # one element: a page of 150 cells holds up the charts


def about_knobs(lab: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """Flat knob name -> its description, from the labs document; empty while that is not there."""
    out: dict[str, Mapping[str, Any]] = {}
    for spec in (lab or {}).get("knobs", ()):
        out[spec["name"]] = spec
        for choice in spec["choices"] if spec["kind"] == "question" else ():
            out |= {f"{spec['name']}.{inner['name']}": inner for inner in choice["knobs"]}
    return out


def provenance(looks: Sequence[RunStyle], folders: Sequence[RunFolder]) -> None:
    """What besides the declaration decided the result."""
    found = [_flat(folder.provenance()) for folder in folders]
    rows = [
        {"what": name, **{look.label: knob_value(one.get(name)) for look, one in zip(looks, found, strict=True)}}
        for name in dict.fromkeys(name for one in found for name in one)
    ]
    for spec in [folder.spec() or {} for folder in folders]:
        st.caption(f"{code(spec.get('run'))} · by {plain(spec.get('who') or 'unknown')}")
    if rows:
        st.table(plain_cells(pl.DataFrame(rows)), hide_index=True, border="horizontal")
    else:
        st.info("The run writes this when its first step begins.", icon=":material/schedule:")


def _flat(thing: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in thing.items():
        out |= _flat(value, f"{before}{name} ") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return out


def log(looks: Sequence[RunStyle], folders: Sequence[RunFolder]) -> None:
    """The last lines that each worker printed."""
    for look, folder in zip(looks, folders, strict=True):
        lines = folder.log(LAST_LINES)
        st.caption(f"{plain(look.label)}: " + (f"the last {len(lines)} lines" if lines else "the run has printed nothing"))
        if lines:
            st.code("\n".join(lines), language=None, wrap_lines=True)


def downloads(looks: Sequence[RunStyle]) -> None:
    """Every stored point of each run, as a file."""
    st.markdown("Every stored point, nothing thinned out: `metric, layer, index, step, t, value`.")
    for look in looks:
        links = [f"[{kind.upper()}](export?run={look.run}&format={kind})" for kind in ("csv", "parquet")]
        st.markdown(f"**{plain(look.label)}** {code(look.run)} · :material/download: {' · '.join(links)}")
    named = " ".join(look.run for look in looks[:1])
    st.caption("The same on the command line:")
    st.code(f"python -m engine metrics {named} --out points.parquet", language="bash")
