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
        with _folded(lab, group, base, first, key):
            _group(specs, base, first, key, values, wrong)
    return {name: values[name] for name in described(lab, values)}, wrong


def _folded(lab: Mapping[str, Any], group: str, base: Flat, first: Mapping[str, Any], key: str) -> AbstractContextManager[Any]:
    """What breaks and what cures is open; the others are folded, and their label counts and names the knobs.

    A group with a knob that was changed or cannot be is open, and stays open when the knob is put back: it must not shut under a hand.
    """
    if group in OPEN:
        return nullcontext()
    names, left, refused = _counted(lab, group, base, first, key)
    memory = f"{key}:open:{group}"
    if left or refused:
        st.session_state[memory] = True
    parts = [f"{names} knob{'' if names == 1 else 's'}"]
    parts += [f"{count} {word}" for count, word in ((left, "changed"), (refused, "refused")) if count]
    label = f"{', '.join(parts)}: {', '.join(spec['name'] for spec in lab['knobs'] if spec['group'] == group)}"
    return st.expander(label, icon=":material/tune:", expanded=bool(st.session_state.get(memory)))


def _counted(lab: Mapping[str, Any], group: str, base: Flat, first: Mapping[str, Any], key: str) -> tuple[int, int, int]:
    """-> (knobs of a group, how many of them left `base`, how many are refused), before they are drawn."""
    shown: Flat = {}
    for spec in lab["knobs"]:
        if spec["kind"] == "question":
            shown[spec["name"]] = _value(spec, spec["name"], base, first, key)
    names = left = refused = 0
    owners = {spec["name"]: spec["group"] for spec in lab["knobs"]}
    for name, spec in described(lab, shown).items():
        owner = name.partition(".")[0]
        if owners[owner] != group:
            continue
        value = _value(spec, name, base, first, f"{key}:{shown[owner]}" if "." in name else key)
        names += 1
        try:
            value = typed(spec, name, value.strip() if isinstance(value, str) else value)
        except KnobError:
            refused += 1
        else:
            left += name in base and base[name] != value
    return names, left, refused


def _value(spec: Spec, name: str, base: Flat, first: Mapping[str, Any], key: str) -> Any:
    """What the field of a knob holds when it is drawn; a choice that is not there shows the default, as the field does."""
    value = st.session_state.get(f"{key}:{name}", first.get(name, base.get(name, spec["default"])))
    if spec["kind"] in ("option", "question"):
        return value if value in [choice["name"] for choice in spec["choices"]] else spec["default"]
    return written(value) if spec["kind"] != "bool" else str(value).lower() == "true"


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
