"""The form of a lab, generated from its knobs: one field per knob, the answers of a question with their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import streamlit as st

from engine.core.device import gpus
from engine.declare.knobs import GROUPS, Flat
from engine.declare.resolve import KnobError, typed
from engine.declare.revise import described, written
from pages.parts.knobs.field import NOT_SET, field, question
from pages.parts.knobs.texts import answer_text
from pages.parts.plain import plain

Spec = Mapping[str, Any]

OPEN = ("stressor", "remedy")  # groups whose knobs are never folded
NO_GPU = "No CUDA device is here, so every run takes the references."
HEADINGS = {
    "stressor": ("Stressors", "Settings whose purpose is to break the training."),
    "remedy": ("Remedies", "Published answers to one question each."),
    "size": ("Size", "How large the network and its batches are, and on what it computes. These decide how long a step takes."),
    "training": ("Training", "How long, from which seed and by which rule the network learns."),
    "probes": ("Probes", "What is measured while it trains."),
}


def form(lab: Mapping[str, Any], base: Flat, first: Mapping[str, Any], key: str) -> tuple[Flat, list[str]]:
    """Draw every knob -> (flat values, sentences about what is wrong).

    `base` is what changes are marked against, `first` what the fields show when the form `key` is new.
    """
    values: Flat = {}
    wrong: list[str] = []
    for group in GROUPS:
        specs = [spec for spec in lab["knobs"] if spec["group"] == group]
        if not specs:
            continue
        heading, about = HEADINGS[group]
        st.header(heading, anchor=group)
        st.caption(about)
        with _folded(group, specs, first):
            _group(specs, base, first, key, values, wrong)
    return {name: values[name] for name in described(lab, values)}, wrong


def _folded(group: str, specs: Sequence[Spec], first: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """What breaks and what cures is open; the other knobs are folded under their names, unless a link changes one of them."""
    if group in OPEN:
        return nullcontext()
    changed = {name.partition(".")[0] for name in first}
    names = [spec["name"] for spec in specs]
    return st.expander(", ".join(names), icon=":material/tune:", expanded=not changed.isdisjoint(names))


def _group(specs: Sequence[Spec], base: Flat, first: Mapping[str, Any], key: str, values: Flat, wrong: list[str]) -> None:
    """The questions of a group, then its other knobs side by side."""
    for spec in specs:
        if spec["kind"] == "question":
            _question(spec, base, first, key, values, wrong)
    plain_knobs = [spec for spec in specs if spec["kind"] != "question"]
    if plain_knobs:
        with st.grid(min_column_width=230, gap="medium"):
            for spec in plain_knobs:
                _field(spec, spec["name"], base, first, key, values, wrong)


def _question(spec: Spec, base: Flat, first: Mapping[str, Any], key: str, values: Flat, wrong: list[str]) -> None:
    """The answers to choose from, what the chosen one says of itself, and its own knobs."""
    name = spec["name"]
    with st.container(border=True):
        answer = question(spec, name, first.get(name, base.get(name, spec["default"])), f"{key}:{name}")
        values[name] = chosen = answer["name"]
        _mark(name, chosen, base)
        answer_text(answer)
        if answer["knobs"]:
            with st.grid(min_column_width=230, gap="medium"):
                for inner in answer["knobs"]:
                    _field(inner, f"{name}.{inner['name']}", base, first, f"{key}:{chosen}", values, wrong)


def _field(spec: Spec, name: str, base: Flat, first: Mapping[str, Any], key: str, values: Flat, wrong: list[str]) -> None:
    """One knob: a field by its kind, a mark when it has left `base`, a sentence when its value cannot be."""
    with st.container(gap="xsmall"):
        idle = NO_GPU if name == "kernels" and not gpus() else ""
        raw = field(spec, name, first.get(name, base.get(name, spec["default"])), f"{key}:{name}", disabled=bool(idle))
        if idle:
            st.caption(idle)
        try:
            values[name] = typed(spec, name, raw.strip() if isinstance(raw, str) else raw)
        except KnobError as error:
            values[name] = raw
            wrong.append(str(error))
            st.markdown(f":red[:material/error: {plain(error)}]")
        else:
            _mark(name, values[name], base)


def _mark(name: str, value: Any, base: Flat) -> None:
    """Beside a field that is no longer what it was."""
    if name in base and base[name] != value:
        st.markdown(f":orange-badge[:material/edit: changed] :small[was {plain(written(base[name]) or NOT_SET)}]")
