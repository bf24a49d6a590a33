"""A declaration is complete, typed and within bounds, or it is refused in one sentence that names the nearest thing that exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.declare.knobs import unnest
from engine.declare.presets import override
from engine.declare.resolve import KnobError, declare, nested
from engine.runs.folder import RUN_ID
from engine.scheduler.submit import find_lab, submit, submit_twins


def spec(name: str, kind: str, default: Any, low: float | None = None, high: float | None = None, **more: Any) -> dict[str, Any]:
    blank = {"choices": [], "unit": "", "source": "", "about": "", "group": "training"}
    return {"name": name, "kind": kind, "default": default, "min": low, "max": high, **blank, **more}


ROUTER = [
    {"name": "hash", "knobs": []},
    {"name": "loss_free", "knobs": [spec("k", "int", 1, 1, 8), spec("update_rate", "float", 1e-3, 0, 1)]},
    {"name": "softmax_top_k", "knobs": [spec("k", "int", 1, 1, 8), spec("balance_weight", "float", 0.01, 0, 10)]},
]
BROKEN = {"router": "softmax_top_k", "router.balance_weight": 0.0, "lr": 0.01}
LAB: dict[str, Any] = {
    "lab": "toy",
    "knobs": [
        spec("seed", "int", 0, 0, 2**31 - 1),
        spec("data_seed", "int", None, 0, 2**31 - 1),
        spec("steps", "int", 300, 1, 10**6, unit="steps"),
        spec("device", "str", "auto"),
        spec("lr", "float", 1e-3, 0, 10),
        spec("twist", "bool", False),
        spec("precision", "option", "fp32", choices=[{"name": "fp32"}, {"name": "bf16"}]),
        spec("router", "question", "softmax_top_k", choices=ROUTER),
    ],
    "presets": {
        "collapse": {"knobs": BROKEN, "twin": "collapse_cured"},
        "collapse_cured": {"knobs": override(BROKEN, {"router": "loss_free"}), "twin": None},
        "healthy": {"knobs": {}, "twin": None},
    },
}


def refusal(preset: str | None = None, **given: Any) -> str:
    with pytest.raises(KnobError) as caught:
        declare(LAB, preset, {name.replace("__", "."): value for name, value in given.items()})
    says = str(caught.value)
    assert "\n" not in says
    assert says.endswith(".")
    return says


def test_defaults_preset_and_given_fill_a_declaration_in_this_order() -> None:
    assert declare(LAB, None, {})["lr"] == 1e-3
    assert declare(LAB, "collapse", {})["lr"] == 0.01
    assert declare(LAB, "collapse", {"lr": 0.5})["lr"] == 0.5


def test_text_of_a_command_line_becomes_typed_values() -> None:
    flat = declare(LAB, None, {"steps": "12", "lr": "1e-2", "twist": "on", "seed": "1e3", "precision": "bf16", "router": "loss_free"})
    assert [flat[n] for n in ("steps", "lr", "twist", "seed", "precision", "router")] == [12, 0.01, True, 1000, "bf16", "loss_free"]
    assert type(flat["steps"]) is int
    assert flat["router.update_rate"] == 1e-3


def test_the_order_of_the_data_follows_the_seed_unless_it_is_given() -> None:
    assert declare(LAB, None, {"seed": 7})["data_seed"] == 7
    assert declare(LAB, None, {"seed": 7, "data_seed": 3})["data_seed"] == 3
    assert declare(LAB, None, {"seed": 7, "data_seed": ""})["data_seed"] == 7


def test_a_misspelt_knob_names_the_nearest() -> None:
    assert 'No knob of toy "stepz": did you mean "steps"?' in refusal(stepz=1)
    assert 'did you mean "router.balance_weight"?' in refusal(router__balance_wait=1)


def test_a_misspelt_preset_and_answer_name_the_nearest() -> None:
    assert 'No preset of toy "colapse": did you mean "collapse"?' in refusal("colapse")
    assert 'No answer to router "lossfree": did you mean "loss_free"?' in refusal(router="lossfree")
    assert "Allowed are bf16, fp32." in refusal(precision="fp64")


def test_values_out_of_bounds_say_what_is_allowed() -> None:
    assert refusal(lr=11) == "lr=11 is out of bounds; give a number from 0 to 10."
    assert refusal(steps="0") == "steps=0 is out of bounds; give a whole number from 1 to 1000000 (steps)."
    assert refusal(router__k="9").startswith("router.k=9 is out of bounds")


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("lr", "fast", "is not a number"),
        ("lr", "nan", "is not finite"),
        ("lr", "inf", "is not finite"),
        ("steps", "1.5", "is not a whole number"),
        ("twist", "maybe", "is neither true nor false"),
        ("lr", "", "received nothing"),
        ("lr", None, "received nothing"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(name: str, value: Any, part: str) -> None:
    assert part in refusal(**{name: value})


def test_naming_another_answer_drops_what_the_preset_set_for_the_old_one() -> None:
    flat = declare(LAB, "collapse", {"router": "loss_free"})
    assert "router.balance_weight" not in flat
    assert flat["router.update_rate"] == 1e-3
    assert declare(LAB, "collapse", {"router": "softmax_top_k"})["router.balance_weight"] == 0.0, "the same answer keeps them"


def test_a_nested_knob_of_an_answer_not_chosen_is_an_error_that_says_whose_it_is() -> None:
    says = refusal("collapse", router__update_rate=0.1)
    assert says == (
        "router.update_rate belongs to router=loss_free, but router is softmax_top_k; "
        "choose router=loss_free or leave router.update_rate out."
    )


def test_a_declaration_survives_the_form_of_spec_json() -> None:
    flat = declare(LAB, "collapse", {"router": "hash"})
    assert unnest(nested(LAB, flat)) == flat
    assert nested(LAB, flat)["router"] == {"is": "hash"}


def test_a_submitted_run_is_a_complete_declaration_with_its_device(tmp_path: Path) -> None:
    folder = submit(tmp_path, LAB, "collapse", {"seed": "2", "device": "cpu"}, who="ada")
    told = folder.spec()
    assert RUN_ID.match(folder.run)
    assert (told["run"], told["lab"], told["preset"], told["who"], told["twin"]) == (folder.run, "toy", "collapse", "ada", None)
    assert unnest(told["knobs"]) == declare(LAB, "collapse", {"seed": 2, "device": "cpu"})
    assert submit(tmp_path, LAB, None, {}).spec()["knobs"]["device"] != "auto"


def test_a_device_that_is_not_here_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(KnobError, match="device=tpu is no device"):
        submit(tmp_path, LAB, None, {"device": "tpu"})
    with pytest.raises(KnobError, match="cuda:99"):
        submit(tmp_path, LAB, None, {"device": "cuda:99"})
    assert not (tmp_path / "runs").exists()


def test_twins_share_what_was_given_and_name_each_other(tmp_path: Path) -> None:
    broken, cured = submit_twins(tmp_path, LAB, "collapse", {"seed": 5, "steps": 9})
    first, second = broken.spec(), cured.spec()
    assert (first["preset"], second["preset"]) == ("collapse", "collapse_cured")
    assert (first["twin"], second["twin"]) == (cured.run, broken.run)
    assert [s["knobs"][n] for s in (first, second) for n in ("seed", "steps")] == [5, 9, 5, 9]
    assert (first["knobs"]["router"]["is"], second["knobs"]["router"]["is"]) == ("softmax_top_k", "loss_free")


def test_twins_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(KnobError, match=r"healthy of toy has no cured twin; presets that have one: collapse\."):
        submit_twins(tmp_path, LAB, "healthy", {})
    with pytest.raises(KnobError, match="belongs to router=softmax_top_k"):
        submit_twins(tmp_path, LAB, "collapse", {"router.balance_weight": 0.5})
    assert not list(tmp_path.glob("runs/*"))


def test_a_lab_that_cannot_be_read_says_why() -> None:
    document = {
        "labs": [LAB],
        "errors": [{"file": "engine/labs/moe/bad.py", "says": "SyntaxError: '(' was never closed", "kind": "lab", "name": "bad"}],
    }
    assert find_lab(document, "toy") is LAB
    with pytest.raises(KnobError, match="bad could not be read: SyntaxError"):
        find_lab(document, "bad")
    with pytest.raises(KnobError, match='did you mean "toy"'):
        find_lab(document, "toi")
