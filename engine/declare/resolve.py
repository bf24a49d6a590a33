"""From a request (lab, preset, knobs that leave it) to a complete declaration: typed values, every default filled in.

engine/scheduler/submit.py makes a run of it.  Works on the JSON of `labs --json`, so that the server and the command
line check a declaration without importing torch.  Every complaint is one sentence: what was received, what is allowed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.core import device
from engine.core.suggest import nearest, unknown
from engine.declare.bounds import allowed, inside
from engine.declare.knobs import Flat, nest
from engine.declare.presets import override
from engine.declare.rules import broken

LabJson = Mapping[str, Any]  # one entry of `labs --json`
KEPT = 256  # requests that `declaration` remembers
SHOWN = 40  # characters of a refused text that the message repeats
COMMA = re.compile(r"[+-]?[0-9.]*,[0-9.,]+(e[+-]?[0-9]+)?", re.IGNORECASE)  # a number as some write it


class KnobError(ValueError):
    """A knob, preset or lab that does not exist or is out of bounds; the message is one sentence for the person."""


class RuleBroken(KnobError):
    """Knobs that are in bounds one by one, and that a rule of the lab does not let go together."""


@dataclass(frozen=True)
class Declaration:
    """A complete, checked declaration.  Nobody can change it, so one object serves all pages and threads."""

    lab: str
    edition: int  # of the lab: the same knobs of another edition mean another curve
    preset: str | None
    flat: Mapping[str, Any]  # every knob that applies, under its flat name
    shown: Mapping[str, Any]  # the same as a form shows it: a `data_seed` that follows `seed` is None
    changed: Mapping[str, Any]  # the part of `shown` that the preset alone has not, or has otherwise
    questions: frozenset[str]  # names of the knobs that are nested in spec.json
    size: tuple[str, ...]  # names of the knobs of the group "size"
    code: str = ""  # hash of the sources that decide its training; empty where that is not known

    @property
    def nested(self) -> dict[str, Any]:
        """The form of spec.json; each call makes a new one."""
        return nest(dict(self.flat), set(self.questions))

    @property
    def device(self) -> str | None:
        """The device as it was asked for ("auto" too) or, after `on_this_machine`, as it is; None for a lab without that knob."""
        return self.flat.get("device")

    def on_this_machine(self) -> Declaration:
        """The same with "auto" resolved to cuda or cpu.  KnobError for a device that is not here."""
        if self.device is None:
            return self
        try:
            found = device.resolve(self.device)
        except ValueError as error:
            raise KnobError(str(error)) from None
        return self if found == self.device else dataclasses.replace(self, flat=MappingProxyType({**self.flat, "device": found}))


def resolve(lab: LabJson, preset: str | None, given: Mapping[str, Any]) -> Declaration:
    """The declaration of `lab` (one entry of `labs --json`): defaults | preset | given.

    `given` holds typed values or the strings of a command line.  Raises KnobError.
    Computed at each call; `declaration` remembers.
    """
    base: Flat = {}
    if preset is not None:
        if preset not in lab["presets"]:
            raise KnobError(nearest(f"preset of {lab['lab']}", preset, lab["presets"]))
        base = lab["presets"][preset]["knobs"]
    shown, plain = _filled(lab, override(base, dict(given))), _filled(lab, base)
    flat = dict(shown)
    if flat.get("data_seed", 0) is None:
        flat["data_seed"] = flat["seed"]
    if against := broken(lab.get("rules", ()), flat):
        raise RuleBroken(" ".join(against))
    return Declaration(
        lab=lab["lab"],
        edition=lab.get("edition", 1),
        preset=preset,
        flat=MappingProxyType(flat),
        shown=MappingProxyType(shown),
        changed=MappingProxyType(leaving(plain, shown)),
        questions=frozenset(spec["name"] for spec in lab["knobs"] if spec["kind"] == "question"),
        size=tuple(spec["name"] for spec in lab["knobs"] if spec.get("group") == "size"),
        code=code_of(lab, flat),
    )


def code_of(lab: LabJson, flat: Mapping[str, Any]) -> str:
    """One hash of the sources of a lab and of the answers that `flat` gives; empty where the labs document does not name them."""
    known = lab.get("code", {})
    questions = [spec["name"] for spec in lab["knobs"] if spec["kind"] == "question" and spec["name"] in flat]
    codes = [known.get(name, "") for name in ("", *(f"{question}={flat[question]}" for question in questions))]
    return hashlib.sha256(" ".join(codes).encode()).hexdigest()[:20] if all(codes) else ""


def leaving(plain: Mapping[str, Any], shown: Mapping[str, Any]) -> Flat:
    """What must be named beside a preset that fills `plain` to get `shown`; another answer names all its knobs.

    For naming another answer drops what the preset set for the old one (`override`), also where both have a knob of one name.
    """
    other = {name for name, value in shown.items() if name not in plain or plain[name] != value}
    return {name: value for name, value in shown.items() if name in other or ("." in name and name.partition(".")[0] in other)}


Request = tuple[int, str | None, tuple[tuple[str, str], ...]]  # identity of the lab's entry, preset, what was given as text

_known: OrderedDict[Request, tuple[LabJson, Declaration | KnobError]] = OrderedDict()  # the newest last
_lock = threading.Lock()


def read_knobs(given: Sequence[str]) -> dict[str, Any]:
    """["lr=1e-3", …] -> {"lr": "1e-3", …}.  KnobError for what is not KNOB=VALUE or comes twice."""
    out: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise KnobError(f'"{text}" is not KNOB=VALUE; write for example lr=1e-3.')
        if name in out:
            raise KnobError(f"{name} was given twice, as {out[name]} and {value}; give it once.")
        out[name] = value
    return out


def declaration(lab: LabJson, preset: str | None, given: Mapping[str, Any]) -> Declaration:
    """`resolve`, computed once for each request and each reading of the labs; a refusal is remembered too.  Raises KnobError.

    A lab is known by the identity of its entry in the labs document: another document, after the code has
    changed, is asked anew.  For pages and the service; nobody may change an entry in place.
    """
    request = (id(lab), preset, tuple(sorted((name, repr(value)) for name, value in given.items())))
    with _lock:  # a computation takes well under a millisecond
        entry = _known.get(request)
        if entry is None:
            try:
                entry = lab, resolve(lab, preset, given)
            except KnobError as error:
                entry = lab, error
            _known[request] = entry  # it holds `lab`, so that no other one gets its id
            if len(_known) > KEPT:
                _known.popitem(last=False)
        _known.move_to_end(request)
    if isinstance(entry[1], KnobError):
        raise type(entry[1])(str(entry[1]))
    return entry[1]


def _filled(lab: LabJson, chosen: Mapping[str, Any]) -> Flat:
    """Every knob that applies with the answers chosen, typed; KnobError for a name that is left over."""
    out: Flat = {}
    for spec in lab["knobs"]:
        _fill(out, spec, spec["name"], chosen)
    unknown = [name for name in chosen if name not in out]
    if unknown:
        raise KnobError(_unknown(lab, unknown[0], out))
    return out


def _fill(out: Flat, spec: Mapping[str, Any], name: str, chosen: Mapping[str, Any]) -> None:
    out[name] = typed(spec, name, chosen.get(name, spec["default"]))
    if spec["kind"] == "question":
        answer = next(c for c in spec["choices"] if c["name"] == out[name])
        for inner in answer["knobs"]:
            _fill(out, inner, f"{name}.{inner['name']}", chosen)


def typed(spec: Mapping[str, Any], name: str, value: Any) -> Any:
    """One value of one knob, converted from text where needed and checked against its bounds."""
    kind = spec["kind"]
    if kind in ("question", "option"):
        return _choice(spec, name, value)
    if value is None or (value == "" and kind != "str"):
        if spec["default"] is None:
            return None
        raise KnobError(f"{name} received nothing; give {allowed(spec)}.")
    if kind == "str":
        if "pattern" in spec and not re.fullmatch(spec["pattern"], str(value)):
            shown = str(value) if len(str(value)) <= SHOWN else f"{str(value)[:SHOWN]}…"
            raise KnobError(f'{name}="{shown}" is not of the form that it needs; give {allowed(spec)}.')
        return str(value)
    if kind == "bool":
        return _bool(spec, name, value)
    number = _number(spec, name, value)
    if not inside(spec, number):
        raise KnobError(f"{name}={value} is out of bounds; give {allowed(spec)}.")
    return number


def _choice(spec: Mapping[str, Any], name: str, value: Any) -> Any:
    names = [choice["name"] for choice in spec["choices"]]
    if value not in names:
        what = f"answer to {name}" if spec["kind"] == "question" else f"value of {name}"
        raise KnobError(f"{unknown(what, str(value), names)} Give {allowed(spec)}.")
    return value


def _bool(spec: Mapping[str, Any], name: str, value: Any) -> bool:
    words = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
    key = str(value).lower()
    if key not in words:
        raise KnobError(f"{name}={value} is no switch; give {allowed(spec)}.")
    return words[key]


def _number(spec: Mapping[str, Any], name: str, value: Any) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        marks = ", for it has a comma; the decimal mark is a point, thousands have none" if COMMA.fullmatch(str(value).strip()) else ""
        raise KnobError(f"{name}={value} is not a number{marks}; give {allowed(spec)}.") from None
    if not math.isfinite(number):
        raise KnobError(f"{name}={value} is not finite; give {allowed(spec)}.")
    if spec["kind"] == "float":
        return number
    if number != int(number):
        raise KnobError(f"{name}={value} is not a whole number; give {allowed(spec)}.")
    return int(value) if not isinstance(value, str) or value.lstrip("+-").isdigit() else int(number)


def _unknown(lab: Mapping[str, Any], name: str, out: Flat) -> str:
    head, _, tail = name.partition(".")
    for spec in lab["knobs"]:
        if spec["name"] == head and spec["kind"] == "question" and tail:
            owners = [c["name"] for c in spec["choices"] if any(k["name"] == tail for k in c["knobs"])]
            if owners:
                return (
                    f"{name} belongs to {head}={' or '.join(owners)}, but {head} is {out[head]}; "
                    f"choose {head}={owners[0]} or leave {name} out."
                )
    return nearest(f"knob of {lab['lab']}", name, out)
