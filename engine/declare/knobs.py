"""Knobs: one typed declaration, from which the form, the command line, the JSON and the sweep come.

A `Knobs` class is a frozen pydantic model whose fields are made with `knob` (a bounded value) or
`question` (a choice between published answers, each a class with knobs of its own).  Everywhere a
person sees them, knobs have flat dotted names (`router.update_rate`); only spec.json nests them.
"""

from __future__ import annotations

import inspect
import pkgutil
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from engine.core.catalog import Broken, broken_file, only_class
from engine.core.suggest import nearest

GROUPS = ("stressor", "remedy", "size", "training", "probes")

REMARKS = ("Differs", "Why")  # paragraphs of an answer's docstring that a person sees

Flat = dict[str, Any]


def knob(
    default: Any,
    about: str,
    *,
    unit: str = "",
    source: str = "",
    group: str = "training",
    ge: float | None = None,
    le: float | None = None,
    pattern: str | None = None,
    form: str = "",
) -> Any:
    """A bounded value: `about` is its one sentence, `ge` and `le` are inclusive and become slider ends.

    A text may have a `pattern`, a regular expression for the whole of it, and then `form` says in words what that allows; a declaration
    is held against it when it is made (engine/declare/resolve.py).
    """
    if group not in GROUPS:
        raise ValueError(f"knob group {group!r}: allowed are {', '.join(GROUPS)}")
    extra = {"unit": unit, "source": source, "group": group, **({"pattern": pattern, "form": form} if pattern else {})}
    return Field(default, description=about, json_schema_extra=extra, ge=ge, le=le)


def question(kind: type[Choice], default: str, about: str, *, group: str = "remedy", source: str = "") -> Any:
    """A question whose answers are the files of the folder that defines `kind`; `default` names one."""
    extra = {"unit": "", "source": source, "group": group, "answer": default}
    return Field(default_factory=lambda: kind.answer(default)(), description=about, json_schema_extra=extra)


class Knobs(BaseModel):
    """Frozen, and closed: a misspelt knob is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def flat(self) -> Flat:
        """This declaration under flat dotted names, in the order of definition."""
        out: Flat = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Choice):
                out[name] = value.name
                out |= {f"{name}.{inner}": v for inner, v in value.flat().items()}
            else:
                out[name] = value
        return out


class Choice(Knobs):
    """A multiple-choice knob: the package that defines the subclass is the question, each file in it one answer.

    An answer states its text as class attributes.  `reading` says whose formula it is: "paper", "authors' code", "public code" (the
    best known where the authors published none) or "our reading of the abstract", our reconstruction; `source` names the equation
    or the file.  Where we do something else, a paragraph of its docstring begins "Differs:"; why a formula is only our reading, one
    that begins "Why:"; both are shown with the rest.
    """

    idea: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    cost: ClassVar[str] = ""
    fails: ClassVar[str] = ""
    reading: ClassVar[str] = ""
    source: ClassVar[str] = ""

    @classmethod
    def remark(cls, word: str) -> str:
        """The paragraph of its own docstring that begins with "word:", without that; empty where there is none."""
        paragraphs = inspect.cleandoc(vars(cls).get("__doc__") or "").split("\n\n")
        return next((" ".join(text.removeprefix(f"{word}:").split()) for text in paragraphs if text.startswith(f"{word}:")), "")

    @property
    def name(self) -> str:
        return type(self).__module__.rsplit(".", 1)[-1]

    @classmethod
    def is_question(cls) -> bool:
        """True for the base class in a question's package, False for an answer."""
        return hasattr(sys.modules[cls.__module__], "__path__")

    @classmethod
    def answers(cls) -> list[str]:
        """Names of the answers, from the folder, without importing one."""
        package = sys.modules[cls.__module__]
        return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))

    @classmethod
    def answer(cls, name: str) -> type[Choice]:
        """Import one answer by its name; ValueError names the nearest one that exists."""
        if name not in cls.answers():
            raise ValueError(nearest("answer", name, cls.answers()))
        return only_class(f"{cls.__module__}.{name}", cls)

    @model_validator(mode="wrap")
    @classmethod
    def _pick(cls, value: Any, handler: Any) -> Any:
        """`{"is": name, …}` becomes the answer of that name with its own knobs."""
        if isinstance(value, cls) or not cls.is_question():
            return value if isinstance(value, cls) else handler(value)
        if isinstance(value, str):
            value = {"is": value}
        if not isinstance(value, dict) or "is" not in value:
            raise ValueError(f'{value!r} is no answer: give {{"is": NAME, …}} with NAME one of {", ".join(cls.answers())}')
        inner = {k: v for k, v in value.items() if k != "is"}
        return cls.answer(value["is"]).model_validate(inner)


def nest(flat: Flat, questions: set[str]) -> dict[str, Any]:
    """Flat dotted names -> the nested form of spec.json (`router=…, router.k=…` -> `{"router": {"is": …, "k": …}}`)."""
    out: dict[str, Any] = {}
    for name, value in flat.items():
        head, _, tail = name.partition(".")
        if tail:
            out[head][tail] = value
        else:
            out[name] = {"is": value} if name in questions else value
    return out


def unnest(nested: dict[str, Any]) -> Flat:
    """The inverse of `nest`; needs no list of questions."""
    out: Flat = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            out[name] = value["is"]
            out |= {f"{name}.{inner}": v for inner, v in value.items() if inner != "is"}
        else:
            out[name] = value
    return out


def differing(flats: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the flat knobs that are not the same in all of `flats`, in the order in which they are met."""
    names = dict.fromkeys(name for flat in flats for name in flat)
    return [name for name in names if len({repr(flat.get(name)) for flat in flats}) > 1]


Problems = list[Broken]


def describe(kind: type[Knobs], problems: Problems | None = None) -> list[dict[str, Any]]:
    """Every knob of a class in the shape of `labs --json`; questions carry their answers and those their knobs.

    An answer whose file cannot be read is left out and told in `problems`; without that list it raises.
    """
    return [_describe_one(name, field, problems) for name, field in kind.model_fields.items()]


def _describe_one(name: str, field: FieldInfo, problems: Problems | None) -> dict[str, Any]:
    extra = field.json_schema_extra
    if not isinstance(extra, dict):
        raise TypeError(f"knob {name!r} must be made with knob() or question()")
    bounds = {type(m).__name__: m for m in field.metadata}
    out: dict[str, Any] = {
        "name": name,
        "kind": "",
        "default": None,
        "min": bounds["Ge"].ge if "Ge" in bounds else None,
        "max": bounds["Le"].le if "Le" in bounds else None,
        "choices": [],
        "unit": extra["unit"],
        "source": extra["source"],
        "about": field.description or "",
        "group": extra["group"],
        **{key: extra[key] for key in ("pattern", "form") if key in extra},
    }
    kind = field.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(a for a in get_args(kind) if a is not type(None))
    if isinstance(kind, type) and issubclass(kind, Choice):
        return out | {"kind": "question", "default": extra["answer"], "choices": _answers(kind, extra["answer"], problems)}
    if get_origin(kind) is Literal:
        return out | {"kind": "option", "default": field.default, "choices": [{"name": n} for n in get_args(kind)]}
    if kind not in (bool, int, float, str):
        raise TypeError(f"knob {name!r} has type {kind!r}; allowed are bool, int, float, str, Literal and a question")
    return out | {"kind": kind.__name__, "default": field.default}


def _answers(kind: type[Choice], default: str, problems: Problems | None) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for name in kind.answers():
        try:
            answer = kind.answer(name)
            texts = {key: getattr(answer, key) for key in ("idea", "formula", "paper", "cost", "fails", "reading", "source")}
            texts |= {word.lower(): answer.remark(word) for word in REMARKS}
            out.append({"name": name, **texts, "knobs": describe(answer, problems)})
        except Exception as error:  # a newcomer's file may raise anything; the other answers stay
            if problems is None or name == default:
                raise
            problems.append(broken_file(f"{kind.__module__.replace('.', '/')}/{name}.py", error, "answer", name))
    return out
