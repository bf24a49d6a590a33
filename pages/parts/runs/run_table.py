"""The table of runs as a frame: how each stands, its last losses, a small curve, and on request the knobs that differ."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl
import streamlit as st

from engine.runs.ending import ENDED
from engine.scheduler import estimate
from engine.server.service import service
from pages.parts.clock import local, zone
from pages.parts.words import STATUS, knob_value, title

CURVE_POINTS = 40
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

ALWAYS = ("status", "preset", "run", "loss", "training", "validation", "steps")  # what it is and what came out, before what differs

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


def table(rows: Sequence[Row], differing: bool, knobs: Sequence[str] = ()) -> tuple[pl.DataFrame, dict[str, Any]]:
    """-> (frame, column configuration).  `knobs` get a column each, behind the status; `differing`: the knobs that are not all alike."""
    curves = _curves(rows)
    columns: dict[str, list[Any]] = {
        "status": [f"{SIGNS[row['status']]} {STATUS[row['status']].word}" for row in rows],
        "preset": [title(row["preset"] or "own knobs") for row in rows],
        "lab": [row["lab"] for row in rows],
        "loss": [curves[row["run"]] for row in rows],
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
        columns = {name: columns[name] for name in ALWAYS} | {n: v for n, v in _differing(rows).items() if n not in ALWAYS}
    config = {
        "status": st.column_config.TextColumn("Status", width=100),
        "preset": st.column_config.TextColumn("Preset", width="medium"),
        "lab": st.column_config.TextColumn("Lab", width="small"),
        "loss": st.column_config.LineChartColumn("Loss", width="medium", help="The training loss, step by step; finite values only."),
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
    return "" if value is None else value if isinstance(value, str) else f"{value:.4g}"


def _curves(rows: Sequence[Row]) -> dict[str, list[float]]:
    """A few points of the training loss of each run; those of ended runs are kept.

    One query for all runs of about the same length: its buckets are as wide as the longest of them needs.
    """
    out: dict[str, list[float]] = {}
    kept = _kept(str(service().data))
    ask: dict[int, list[Row]] = {}
    for row in rows:
        known = kept.get(row["run"])
        if known is not None and known[0] == (row["status"], row["steps"]):
            out[row["run"]] = known[1]
        else:
            ask.setdefault(row["steps"].bit_length(), []).append(row)
    for alike in ask.values():
        found = service().store.many([(row["run"], "loss/train", "") for row in alike], points=CURVE_POINTS)
        for row, curve in zip(alike, found, strict=True):
            out[row["run"]] = curve["values"]
            if row["status"] in ENDED:
                kept[row["run"]] = ((row["status"], row["steps"]), curve["values"])
    return out


@lru_cache(maxsize=8)
def _kept(_data: str) -> dict[str, tuple[Any, list[float]]]:
    """Run -> (status and steps, curve), shared by all visitors of one data folder."""
    return {}
