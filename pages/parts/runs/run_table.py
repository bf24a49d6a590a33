"""The table of runs as a frame: how each stands, its last losses, a small picture of its curve, and on request the knobs that differ."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl
import streamlit as st

from engine.core import nonfinite
from engine.runs.ending import ENDED
from engine.runs.series import split_key
from engine.scheduler import estimate
from engine.server.service import service
from pages.parts.clock import local, zone
from pages.parts.runs.sparkline import sparkline
from pages.parts.words import STATUS, knob_value, number, title

CURVE_POINTS = 40  # of each picture
LOSS = "loss/train"
CURVE_HELP = "What decides the run's preset, or else its training loss, from least to greatest; a cross where a value was not finite."
SIGNS = {
    "queued": "◷",
    "running": "▶",
    "held": "❚❚",
    "finished": "✓",
    "stopped": "■",
    "diverged": "↗",
    "failed": "✕",
    "killed": "✕",
    "lost": "?",
    "unreadable": "⊘",
}

ALWAYS = (
    "status",
    "preset",
    "run",
    "curve",
    "curve_of",
    "training",
    "validation",
    "steps",
)  # what it is and what came out, before what differs

Row = Mapping[str, Any]


def matching(rows: Sequence[Row], lab: str, statuses: Sequence[str], text: str) -> list[Row]:
    """Rows of a lab (or all), of some statuses (or all), in which every word of `text` occurs; the newest first."""
    words = text.lower().split()
    out = []
    for row in sorted(rows, key=lambda row: row["created"] or 0, reverse=True):
        if (lab and row["lab"] != lab) or (statuses and row["status"] not in statuses):
            continue
        if words:
            named = f"{row['preset'] or ''} {title(row['preset'] or 'own knobs')}"
            text_of_row = f"{row['run']} {named} {row['who'] or ''} {row['status']} seed={row['seed']}".lower()
            if not all(word in text_of_row for word in words):
                continue
        out.append(row)
    return out


def by_column(rows: Sequence[Row], column: str, falling: bool = False) -> list[Row]:
    """In the order of what `column` holds: numbers as numbers, then NaN, then words; a row without a value comes last in either direction.

    The browser would order what it shows, as text: "12.3" before "9.5".
    """
    if column in ("training", "validation"):
        values = [row["last"].get(LOSS if column == "training" else "loss/validation") for row in rows]
    elif rows and column in rows[0]:
        values = [row[column] for row in rows]
    else:
        values = [flat.get(column) for flat in _flats(rows)]
    ranked = [(_rank(value), row) for value, row in zip(values, rows, strict=True)]
    filled = sorted((pair for pair in ranked if pair[0] is not None), key=lambda pair: pair[0], reverse=falling)
    return [row for _, row in filled] + [row for rank, row in ranked if rank is None]


def _rank(value: Any) -> tuple[int, float, str] | None:
    if value is None:
        return None
    if isinstance(value, str) and value not in nonfinite.WORDS:
        return 2, 0.0, value.lower()
    return (1, 0.0, "") if math.isnan(value := float(value)) else (0, value, "")


def table(rows: Sequence[Row], differing: bool, knobs: Sequence[str] = ()) -> tuple[pl.DataFrame, dict[str, Any]]:
    """-> (frame, column configuration).  `knobs` get a column each, behind the status; `differing`: the knobs that are not all alike."""
    curves = _curves(rows)
    of = [_named(curves[row["run"]][0]) if curves[row["run"]][1] else "" for row in rows]
    which = set(of) - {""}
    alike = len(which) <= 1
    columns: dict[str, list[Any]] = {
        "status": [f"{SIGNS[row['status']]} {STATUS[row['status']].word}" for row in rows],
        "preset": [title(row["preset"] or "own knobs") for row in rows],
        "curve": [curves[row["run"]][1] for row in rows],
        **({} if alike else {"curve_of": of}),
        "lab": [row["lab"] for row in rows],
        "training": [_finite(row["last"].get("loss/train")) for row in rows],
        "validation": [_finite(row["last"].get("loss/validation")) for row in rows],
        "steps": [f"{row['steps']:,} of {row['target']:,}" if row["target"] else f"{row['steps']:,}" for row in rows],
        "seed": [row["seed"] for row in rows],
        "who": [row["who"] for row in rows],
        "created": [local(row["created"] or time.time()) for row in rows],
        "run": [row["run"] for row in rows],
    }
    if knobs and not differing:
        values = {name: [knob_value(flat.get(name)) for flat in _flats(rows)] for name in knobs if name not in columns}
        columns = {"status": columns["status"], **values, **columns}
    if differing:
        columns = {name: columns[name] for name in ALWAYS if name in columns} | {
            n: v for n, v in _differing(rows).items() if n not in ALWAYS
        }
    config = {
        "status": st.column_config.TextColumn("Status", width=92),
        "preset": st.column_config.TextColumn("Preset", width=128),
        "lab": st.column_config.TextColumn("Lab", width="small"),
        "curve": st.column_config.ImageColumn(which.pop().capitalize() if len(which) == 1 else "Curve", width=122, help=CURVE_HELP),
        "curve_of": st.column_config.TextColumn("Curve of", width="small", help="What the small picture shows of this run."),
        "training": st.column_config.TextColumn("Training", width="small", help="The last training loss."),
        "validation": st.column_config.TextColumn("Validation", width="small", help="The last validation loss."),
        "steps": st.column_config.TextColumn("Steps", width="small", help="Steps done, of those asked for."),
        "seed": st.column_config.NumberColumn("Seed", width=60, format="%d"),
        "who": st.column_config.TextColumn("Who", width="small"),
        "created": st.column_config.DatetimeColumn(f"Created ({zone()[1]})", format="D MMM, HH:mm", width=160),
        "run": st.column_config.TextColumn("Run", width="medium"),
    }
    return pl.DataFrame(columns, strict=False), config


def _differing(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Knob name -> its value in each row, of the knobs that are not the same in all rows."""
    flats = _flats(rows)
    names = list(dict.fromkeys(name for flat in flats for name in flat))
    kept = [name for name in names if len({repr(flat.get(name)) for flat in flats}) > 1]
    return {name: [knob_value(flat.get(name)) for flat in flats] for name in kept}


def _flats(rows: Sequence[Row]) -> list[Mapping[str, Any]]:
    """The flat knobs of each run."""
    return [(estimate.knobs(service().data / "runs" / row["run"]) or ("", {}))[1] for row in rows]


def _finite(value: Any) -> str:
    return "" if value is None else number(value)


def _named(key: str) -> str:
    """`router/dead_experts@blocks.1.moe` -> "dead experts"."""
    return "training loss" if key == LOSS else split_key(key)[0].rpartition("/")[2].replace("_", " ")


def _deciding(rows: Sequence[Row]) -> dict[str, str]:
    """Run -> the series in which it shows whether its preset breaks; the training loss where no preset names one."""
    presets = {lab["lab"]: lab["presets"] for lab in service().labs()["labs"]}
    return {row["run"]: presets.get(row["lab"], {}).get(row["preset"] or "", {}).get("deciding") or LOSS for row in rows}


def _curves(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Run -> (series, its picture); those of ended runs are kept.

    One query for all runs of about the same length and the same series: its buckets are as wide as the longest of them needs.
    A run without a point of its deciding series shows its training loss.
    """
    out: dict[str, tuple[str, str]] = {}
    kept, deciding = _kept(str(service().data)), _deciding(rows)
    unread: list[Row] = []
    for row in rows:
        known = kept.get(row["run"])
        if known is not None and known[0] == (row["status"], row["steps"], deciding[row["run"]]):
            out[row["run"]] = known[1]
        else:
            unread.append(row)
    out |= _pictures(unread, deciding)
    without = [row for row in unread if not out[row["run"]][1] and deciding[row["run"]] != LOSS]
    out |= _pictures(without, {row["run"]: LOSS for row in without})
    for row in unread:
        if row["status"] in ENDED:
            kept[row["run"]] = ((row["status"], row["steps"], deciding[row["run"]]), out[row["run"]])
    return out


def _pictures(rows: Sequence[Row], series: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    store = service().store
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["steps"].bit_length(), series[row["run"]]), []).append(row)
    out = {}
    for (_, key), alike in groups.items():
        curves = store.many([(row["run"], *store.split(key)) for row in alike], points=CURVE_POINTS)
        out |= {row["run"]: (key, sparkline(curve)) for row, curve in zip(alike, curves, strict=True)}
    return out


@lru_cache(maxsize=8)
def _kept(_data: str) -> dict[str, tuple[Any, tuple[str, str]]]:
    """Run -> (what it was made of, (series, picture)), shared by all visitors of one data folder."""
    return {}
