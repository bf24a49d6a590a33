"""A word in `provides` is a promise: every lab has the members that probes with that need will ask for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, get_args, get_origin, get_type_hints

import pytest
from torch import nn

from engine.core.catalog import Catalog
from engine.labs.capabilities import WORDS, Capability, Routing, SkipBlock
from engine.labs.lab import Lab
from engine.labs.probe import Probe

LABS = Catalog("", Lab).load()[0]
PROBES = Catalog("probes", Probe).load()[0]
PROMISES = [(name, word) for name, lab in LABS.items() for word in sorted(lab.provides)]


def members(protocol: type) -> dict[str, Any]:
    """Name -> annotation of an attribute, None for a method."""
    found = {name: None for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")}
    return {**found, **get_type_hints(protocol)}


def is_protocol(hint: Any) -> bool:
    return isinstance(hint, type) and Protocol in hint.__bases__


def lacking(thing: object, protocol: type, path: str = "") -> Iterator[str]:
    """Members that `thing` lacks, with their path; an attribute that is a Protocol itself, or a sequence of one, is looked into."""
    for name, hint in members(protocol).items():
        here = f"{path}{name}"
        if not hasattr(thing, name) or (hint is None and not callable(getattr(thing, name))):
            yield here
        elif is_protocol(hint):
            yield from lacking(getattr(thing, name), hint, f"{here}.")
        elif get_origin(hint) is Sequence and is_protocol(get_args(hint)[0]):
            for i, part in enumerate(getattr(thing, name)):
                yield from lacking(part, get_args(hint)[0], f"{here}[{i}].")


def broken_promises(lab: Lab, model: nn.Module, promise: Capability) -> list[str]:
    found = [f"lab.{name}" for name in (lacking(lab, promise.lab) if promise.lab else ())]
    found += [f"model.{name}" for name in (lacking(model, promise.model) if promise.model else ())]
    if promise.layer and not any(not list(lacking(module, promise.layer)) for module in model.modules()):
        found.append(f"a layer like {promise.layer.__name__}")
    return found


@pytest.mark.parametrize(("name", "word"), PROMISES)
def test_a_lab_has_the_members_of_what_it_provides(name: str, word: str) -> None:
    lab = LABS[name].model_validate({})
    model = lab.model() if WORDS[word].model or WORDS[word].layer else nn.Module()  # a lab that plays has none
    assert broken_promises(lab, model, WORDS[word]) == []


@pytest.mark.parametrize("backbone", ["unet", "u_vit"])
def test_every_network_with_long_skips_keeps_the_promise(backbone: str) -> None:
    lab = LABS["unet"].model_validate({"backbone": {"is": backbone}})
    assert broken_promises(lab, lab.model(), WORDS["long_skips"]) == []


@pytest.mark.parametrize("name", PROBES)
def test_what_a_probe_needs_is_a_word_that_some_lab_provides(name: str) -> None:
    need = PROBES[name].needs
    assert not need or (need in WORDS and any(need in lab.provides for lab in LABS.values()))


def test_every_word_is_provided_by_somebody() -> None:
    assert {word for _, word in PROMISES} == set(WORDS)


def test_a_missing_member_is_named_with_its_path() -> None:
    lab = LABS["unet"].model_validate({})
    model = lab.model()
    del model.decoder[2].fusion.skip
    assert broken_promises(lab, model, WORDS["long_skips"]) == ["model.decoder[2].fusion.skip"]
    assert broken_promises(lab, model, WORDS["routing"]) == ["a layer like Routing"]
    assert set(members(Routing)) == {"record", "router"}
    assert is_protocol(SkipBlock)
