"""A declaration is complete, typed and within bounds, or it is refused in one sentence that names the nearest thing that exists."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import engine.declare.resolve as resolve_module
from engine.declare.knobs import unnest
from engine.declare.presets import override
from engine.declare.resolve import Declaration, KnobError, declaration, resolve
from engine.runs.folder import RUN_ID, RunFolder
from engine.scheduler.submit import cure_of, find_lab, submit, submit_twins


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
        spec("edits", "str", "", pattern=r"(?:[+-]\d+ ?)*", form="words such as +3 or -4"),
        spec("precision", "option", "fp32", choices=[{"name": "fp32"}, {"name": "bf16"}]),
        spec("router", "question", "softmax_top_k", choices=ROUTER),
    ],
    "presets": {
        "collapse": {"knobs": BROKEN, "twin": "collapse_cured"},
        "collapse_cured": {"knobs": override(BROKEN, {"router": "loss_free"}), "twin": None},
        "collapse_shared": {"knobs": {**BROKEN, "router.k": 4}, "twin": None},
        "healthy": {"knobs": {}, "twin": None},
    },
}


def refusal(preset: str | None = None, **given: Any) -> str:
    with pytest.raises(KnobError) as caught:
        resolve(LAB, preset, {name.replace("__", "."): value for name, value in given.items()})
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_defaults_preset_and_given_fill_a_declaration_in_this_order() -> None:
    assert resolve(LAB, None, {}).flat["lr"] == 1e-3
    assert resolve(LAB, "collapse", {}).flat["lr"] == 0.01
    assert resolve(LAB, "collapse", {"lr": 0.5}).flat["lr"] == 0.5


def test_text_of_a_command_line_becomes_typed_values() -> None:
    flat = resolve(LAB, None, {"steps": "12", "lr": "1e-2", "twist": "on", "seed": "1e3", "precision": "bf16", "router": "loss_free"}).flat
    assert [flat[n] for n in ("steps", "lr", "twist", "seed", "precision", "router")] == [12, 0.01, True, 1000, "bf16", "loss_free"]
    assert type(flat["steps"]) is int
    assert flat["router.update_rate"] == 1e-3


def test_the_order_of_the_data_follows_the_seed_unless_it_is_given() -> None:
    assert resolve(LAB, None, {"seed": 7}).flat["data_seed"] == 7
    assert resolve(LAB, None, {"seed": 7, "data_seed": 3}).flat["data_seed"] == 3
    assert resolve(LAB, None, {"seed": 7, "data_seed": ""}).flat["data_seed"] == 7


def test_a_misspelt_knob_names_the_nearest() -> None:
    assert 'No knob of toy "stepz": did you mean "steps"?' in refusal(stepz=1)
    assert 'did you mean "router.balance_weight"?' in refusal(router__balance_wait=1)


def test_a_misspelt_preset_and_answer_name_the_nearest() -> None:
    assert 'No preset of toy "colapse": did you mean "collapse"?' in refusal("colapse")
    answers = "Give one of hash, loss_free, softmax_top_k."
    assert refusal(router="lossfree") == f'No answer to router "lossfree": did you mean "loss_free"? {answers}'
    assert refusal(precision="twelve") == 'No value of precision "twelve". Give one of fp32, bf16.'


def test_values_out_of_bounds_say_what_is_allowed() -> None:
    assert refusal(lr=11) == "lr=11 is out of bounds; give a number from 0 to 10."
    assert refusal(steps="0") == "steps=0 is out of bounds; give a whole number from 1 to 1000000 (steps)."
    assert refusal(router__k="9").startswith("router.k=9 is out of bounds")


def test_a_text_of_the_wrong_form_is_refused_and_shown_in_part() -> None:
    assert resolve(LAB, None, {"edits": "+3 -4"}).flat["edits"] == "+3 -4"
    assert refusal(edits="3") == 'edits="3" is not of the form that it needs; give words such as +3 or -4.'
    assert len(refusal(edits="x" * 10_000)) < 200


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("lr", "fast", "is not a number"),
        ("lr", "0,001", "lr=0,001 is not a number, for it has a comma; the decimal mark is a point"),
        ("steps", "10,000", "thousands have none"),
        ("lr", "nan", "is not finite"),
        ("lr", "inf", "is not finite"),
        ("steps", "1.5", "is not a whole number"),
        ("twist", "maybe", "is no switch; give true or false."),
        ("lr", "", "received nothing"),
        ("lr", None, "received nothing"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(name: str, value: Any, part: str) -> None:
    assert part in refusal(**{name: value})


def test_naming_another_answer_drops_what_the_preset_set_for_the_old_one() -> None:
    flat = resolve(LAB, "collapse", {"router": "loss_free"}).flat
    assert "router.balance_weight" not in flat
    assert flat["router.update_rate"] == 1e-3
    assert resolve(LAB, "collapse", {"router": "softmax_top_k"}).flat["router.balance_weight"] == 0.0, "the same answer keeps them"


def test_a_nested_knob_of_an_answer_not_chosen_is_an_error_that_says_whose_it_is() -> None:
    message = refusal("collapse", router__update_rate=0.1)
    assert message == (
        "router.update_rate belongs to router=loss_free, but router is softmax_top_k; "
        "choose router=loss_free or leave router.update_rate out."
    )


def test_a_declaration_survives_the_form_of_spec_json() -> None:
    declared = resolve(LAB, "collapse", {"router": "hash"})
    assert unnest(declared.nested) == declared.flat
    assert declared.nested["router"] == {"is": "hash"}


def test_a_submitted_run_is_a_complete_declaration_with_its_device(tmp_path: Path) -> None:
    folder = submit(tmp_path, resolve(LAB, "collapse", {"seed": "2", "device": "cpu"}), who="ada")
    told = folder.spec()
    assert RUN_ID.match(folder.run)
    assert (told["run"], told["lab"], told["preset"], told["who"], told["twin"]) == (folder.run, "toy", "collapse", "ada", None)
    assert unnest(told["knobs"]) == resolve(LAB, "collapse", {"seed": 2, "device": "cpu"}).flat
    assert submit(tmp_path, resolve(LAB, None, {})).spec()["knobs"]["device"] != "auto"


def test_a_device_that_is_not_here_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(KnobError, match="device=tpu is no device"):
        submit(tmp_path, resolve(LAB, None, {"device": "tpu"}))
    with pytest.raises(KnobError, match="cuda:99"):
        submit(tmp_path, resolve(LAB, None, {"device": "cuda:99"}))
    assert not (tmp_path / "runs").exists()


def pair(data: Path, preset: str, given: dict[str, Any]) -> tuple[RunFolder, RunFolder]:
    return submit_twins(data, *(resolve(LAB, name, given) for name in (preset, cure_of(LAB, preset))))


def test_twins_share_what_was_given_and_name_each_other(tmp_path: Path) -> None:
    broken, cured = pair(tmp_path, "collapse", {"seed": 5, "steps": 9})
    first, second = broken.spec(), cured.spec()
    assert (first["preset"], second["preset"]) == ("collapse", "collapse_cured")
    assert (first["twin"], second["twin"]) == (cured.run, broken.run)
    assert [s["knobs"][n] for s in (first, second) for n in ("seed", "steps")] == [5, 9, 5, 9]
    assert (first["knobs"]["router"]["is"], second["knobs"]["router"]["is"]) == ("softmax_top_k", "loss_free")


def test_twins_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(KnobError, match=r"healthy of toy has no cured twin; presets that have one: collapse\."):
        pair(tmp_path, "healthy", {})
    with pytest.raises(KnobError, match="belongs to router=softmax_top_k"):
        pair(tmp_path, "collapse", {"router.balance_weight": 0.5})
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


def test_a_request_is_resolved_once_whatever_the_order_of_its_knobs(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = counted(monkeypatch)
    lab = dict(LAB)
    first = declaration(lab, "collapse", {"seed": 1, "lr": 0.5})
    assert declaration(lab, "collapse", {"lr": 0.5, "seed": 1}) is first
    assert len(computed) == 1
    declaration(lab, "collapse", {"lr": 0.5, "seed": "1"})
    with pytest.raises(KnobError, match="lr=fast is not a number"):
        declaration(lab, "collapse", {"lr": "fast"})
    with pytest.raises(KnobError, match="lr=fast is not a number"):
        declaration(lab, "collapse", {"lr": "fast"})
    assert len(computed) == 3, "text is another request than a number, and a refusal is remembered"
    assert declaration(dict(LAB), "collapse", {"seed": 1, "lr": 0.5}) is not first, "another reading of the labs"


def test_threads_that_ask_at_once_share_one_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    computed, lab = counted(monkeypatch), dict(LAB)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: declaration(lab, "healthy", {"steps": 7}), range(64)))
    assert len({id(one) for one in told}) == len(computed) == 1


def test_the_memory_of_requests_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_module, "KEPT", 4)
    computed, lab = counted(monkeypatch), dict(LAB)
    for seed in range(400):
        declaration(lab, None, {"seed": seed})
    assert declaration(lab, None, {"seed": 399}).flat["seed"] == 399
    declaration(lab, None, {"seed": 0})
    assert len(computed) == 401


def test_a_declaration_cannot_be_changed_and_knows_what_leaves_its_preset() -> None:
    declared = resolve(LAB, "collapse", {"router": "loss_free", "lr": "0.01", "seed": 4})
    assert declared.changed == {"seed": 4, "router": "loss_free", "router.k": 1, "router.update_rate": 1e-3}
    assert (declared.flat["data_seed"], declared.shown["data_seed"]) == (4, None)
    assert resolve(LAB, "collapse", declared.changed) == declared
    same_name = resolve(LAB, "collapse_shared", {"router": "loss_free", "router.k": 4})
    assert same_name.changed["router.k"] == 4, "the new answer would have 1"
    assert resolve(LAB, "collapse_shared", same_name.changed) == same_name
    with pytest.raises(TypeError):
        declared.flat["lr"] = 1  # type: ignore[index]
    with pytest.raises(AttributeError):
        declared.preset = None  # type: ignore[misc]
    declared.nested["lr"] = 7
    assert declared.nested["lr"] == 0.01


def test_auto_stays_auto_until_the_machine_is_asked() -> None:
    declared = resolve(LAB, None, {})
    assert declared.device == "auto"
    there = declared.on_this_machine()
    assert there.device in ("cpu", "cuda")
    assert there.on_this_machine() is there
    assert {**there.flat, "device": "auto"} == declared.flat


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Real computations from now on."""
    computed: list[Any] = []

    def counting(*request: Any) -> Declaration:
        computed.append(request)
        return resolve(*request)

    monkeypatch.setattr(resolve_module, "resolve", counting)
    return computed
