"""When two declarations are the same training, and when they are not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from engine.core.paths import ROOT
from engine.declare.identity import identity, of_declaration, of_spec
from engine.declare.resolve import resolve
from engine.declare.revise import request_of
from engine.runs.folder import RunFolder
from tests.support.lab_pages import ENTRIES

MOE = ENTRIES["moe"]
OLD = sorted((ROOT / "tests" / "support" / "old_run").glob("*/runs/*"))


def of(preset: str | None = "collapse", **given: Any) -> str:
    return of_declaration(resolve(MOE, preset, {name.replace("__", "."): value for name, value in given.items()}))


@pytest.mark.parametrize("other", [
    {"lr": "0.001"},
    {"data_seed": "3"},
    {"data_seed": ""},
    {"probes": "dear"},
    {"probes": "free"},
    {"device": "auto"},
    {"router": "softmax_top_k"},
])  # fmt: skip
def test_commands_for_the_same_training_are_equal(other: dict[str, str]) -> None:
    plain = {"seed": "3", "lr": "1e-3", "device": "cpu"}
    if "device" not in other:
        assert of(**{**plain, **other}) == of(**plain)
    else:
        assert of(seed="3", device="auto") == of(seed="3", device=resolve(MOE, None, {}).on_this_machine().device)


def test_a_preset_and_the_same_knobs_by_hand_are_equal() -> None:
    assert of(None, **dict(resolve(MOE, "collapse", {}).flat)) == of("collapse")


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"data_seed": 1}, {"steps": 7}, {"lr": 2e-3}, {"threads": 2}, {"router__k": 2}, {"on_divergence": "continue"}]
)
def test_every_knob_that_decides_the_curve_parts_them(other: dict[str, Any]) -> None:
    assert of(**other) != of()


def test_no_two_declarations_of_a_lab_share_an_identity() -> None:
    given = [{}, *({knob["name"]: choice["name"]} for knob in MOE["knobs"] if knob["kind"] == "question" for choice in knob["choices"])]
    declared = [resolve(MOE, preset, {**one, "device": "cpu"}) for preset in MOE["presets"] for one in given]
    flats = {json.dumps(dict(one.flat), sort_keys=True) for one in declared}
    assert len({of_declaration(one) for one in declared}) == len(flats)


@pytest.mark.parametrize("folder", OLD, ids=lambda path: path.name)
def test_the_kept_old_run_is_what_the_same_command_declares_today(folder: Any) -> None:
    spec = RunFolder(folder).spec() or {}
    lab = ENTRIES[spec["lab"]]
    preset, flat, lost = request_of(lab, spec)
    assert lost == []
    assert spec.get("identity") is None
    assert of_spec(lab, spec) == of_declaration(resolve(lab, preset, flat))


def test_a_knob_that_came_later_parts_nothing_and_one_that_went_does() -> None:
    declared = resolve(MOE, "collapse", {"device": "cpu"})
    spec = {"lab": "moe", "preset": "collapse", "edition": declared.edition, "knobs": declared.nested}
    assert of_spec(MOE, spec) == of_declaration(declared)
    later: dict[str, Any] = copy.deepcopy(dict(MOE))
    later["knobs"].append({**next(k for k in MOE["knobs"] if k["name"] == "clip"), "name": "later", "default": 1.0})
    now = resolve(later, "collapse", {"device": "cpu"})
    assert of_spec(later, spec) == of_declaration(now)
    assert of_spec(MOE, {**spec, "knobs": {**spec["knobs"], "gone": 1}}) is None
    assert of_spec(MOE, {**spec, "knobs": {**spec["knobs"], "router": {"is": "gone"}}}) != of_declaration(declared)


def test_an_edition_counts_where_it_concerns_an_answer_that_is_given() -> None:
    """moe: edition 3 changed sinkhorn alone."""
    plain, sinkhorn = (resolve(MOE, "collapse", {"router": router, "device": "cpu"}).nested for router in ("hash", "sinkhorn"))
    assert MOE["edition"] >= 3
    assert identity("moe", 1, plain) == identity("moe", MOE["edition"], plain)
    assert identity("moe", 2, sinkhorn) != identity("moe", 3, sinkhorn)


def test_minus_zero_is_zero_and_a_number_that_is_none_has_no_identity() -> None:
    assert identity("toy", 1, {"lr": -0.0}) == identity("toy", 1, {"lr": 0.0})
    declared = resolve(MOE, "collapse", {"device": "cpu"})
    assert of_spec(MOE, {"lab": "moe", "edition": 3, "knobs": {**declared.nested, "lr": float("nan")}}) is None


def test_the_code_of_a_declaration_is_of_its_lab_and_of_the_answers_that_it_gives() -> None:
    """Another answer is other code; another number is not; an answer that is not given does not count."""
    plain, other, number = (resolve(MOE, "collapse", given).code for given in ({}, {"router": "hash"}, {"lr": 0.5}))
    assert len(plain) == 20
    assert plain == number != other
    edited = {**MOE, "code": {**MOE["code"], "router=hash": "edited"}}
    assert resolve(edited, "collapse", {}).code == plain
    assert resolve(edited, "collapse", {"router": "hash"}).code not in (other, "")
    assert resolve({**MOE, "code": {}}, "collapse", {}).code == "", "not known"
