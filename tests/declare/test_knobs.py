"""Knobs, catalogs and presets as a newcomer meets them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.catalog import Catalog
from engine.core.suggest import nearest
from engine.declare.knobs import Knobs, describe, knob, nest, unnest
from engine.declare.presets import Preset, override
from engine.labs.describe import expand_presets

names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
values = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text(max_size=5), st.none())


@given(plain=st.dictionaries(names, values), questions=st.dictionaries(names, st.tuples(names, st.dictionaries(names, values))))
def test_nesting_and_flattening_are_inverse(plain: dict, questions: dict) -> None:
    flat = {k: v for k, v in plain.items() if k not in questions}
    for head, (answer, inner) in questions.items():
        flat |= {head: answer} | {f"{head}.{k}": v for k, v in inner.items() if k != "is"}
    assert unnest(nest(flat, set(questions))) == flat


def test_a_misspelt_name_is_answered_with_the_nearest_one() -> None:
    assert nearest("preset", "colapse", ["healthy", "collapse"]) == (
        'No preset "colapse": did you mean "collapse"? Allowed are collapse, healthy.'
    )


def test_naming_another_answer_drops_the_nested_knobs_of_the_old_one() -> None:
    base = {"router": "loss_free", "router.update_rate": 1e-2, "lr": 1.0}
    assert override(base, {"router": "hash"}) == {"router": "hash", "lr": 1.0}
    assert override(base, {"router": "loss_free", "router.update_rate": 0.1}) == base | {"router.update_rate": 0.1}
    assert override(base, {"lr": 2.0}) == base | {"lr": 2.0}


def test_a_preset_yields_its_twins_and_its_ladder() -> None:
    class Tiny:
        presets = {
            "broken": Preset({"lr": 1.0}, cure={"lr": 0.1}, gpu={"steps": 9}),
            "plain": Preset({}),
            "ladder": Preset({}, grid={"lr": [1, 2]}),
        }

    out = expand_presets(Tiny)  # type: ignore[arg-type]
    assert list(out) == ["broken", "broken_cured", "broken_gpu", "broken_cured_gpu", "plain", "ladder", "ladder_1", "ladder_2"]
    assert out["broken"]["twin"] == "broken_cured"
    assert out["broken_gpu"]["twin"] == "broken_cured_gpu"
    assert out["broken_cured_gpu"]["knobs"] == {"lr": 0.1, "steps": 9}
    assert out["plain"]["twin"] is None
    assert out["ladder_2"]["knobs"] == {"lr": 2}


def test_a_description_carries_bounds_units_and_choices() -> None:
    class Some(Knobs):
        width: int = knob(4, "how wide", unit="px", ge=1, le=9)
        mode: Literal["a", "b"] = knob("a", "which")
        maybe: int | None = knob(None, "perhaps", ge=0)

    width, mode, maybe = describe(Some)
    assert (width["kind"], width["default"], width["min"], width["max"], width["unit"]) == ("int", 4, 1, 9, "px")
    assert (mode["kind"], [c["name"] for c in mode["choices"]]) == ("option", ["a", "b"])
    assert (maybe["kind"], maybe["default"], maybe["min"]) == ("int", None, 0)


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A register of two topics and what they share."""
    labs = tmp_path / "made_up" / "labs"
    for folder in ("moe/probes", "gnn/probes", "common/probes"):
        (labs / folder).mkdir(parents=True)
    (labs / "moe/probes/good.py").write_text("class Good(dict): pass\nclass _Hidden(dict): pass\n")
    (labs / "moe/probes/syntax.py").write_text("class Broken(:\n")
    (labs / "gnn/probes/two.py").write_text("class A(dict): pass\nclass B(dict): pass\n")
    (labs / "common/probes/_helper.py").write_text("raise RuntimeError('never imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield labs
    for name in [m for m in sys.modules if m.startswith("made_up")]:
        del sys.modules[name]


def test_one_broken_file_hides_no_other(labs: Path) -> None:
    good, bad = Catalog("probes", dict, labs).load()
    assert list(good) == ["good"]
    assert {b.file: b.message.partition(":")[0] for b in bad} == {
        "made_up/labs/moe/probes/syntax.py": "SyntaxError",
        "made_up/labs/gnn/probes/two.py": "TypeError",
    }
    assert {(b.kind, b.name) for b in bad} == {("probe", "syntax"), ("probe", "two")}


def test_a_new_file_is_a_new_entry(labs: Path) -> None:
    (labs / "common/probes/more.py").write_text("class More(dict): pass\n")
    catalog = Catalog("probes", dict, labs)
    assert catalog.names() == ["good", "more", "syntax", "two"], "alphabetical over all topics"
    assert catalog.file("more") == "made_up/labs/common/probes/more.py"
    assert "more" in catalog.load()[0]
    with pytest.raises(KeyError, match="did you mean"):
        catalog["goood"]


def test_a_name_that_two_topics_use_is_broken_and_names_both_files(labs: Path) -> None:
    (labs / "gnn/probes/good.py").write_text("class Good(dict): pass\n")
    good, bad = Catalog("probes", dict, labs).load()
    assert not good
    message = next(b.message for b in bad if b.name == "good")
    assert "made_up/labs/gnn/probes/good.py and made_up/labs/moe/probes/good.py bear the same name" in message


def test_labs_lie_in_the_topics_themselves_and_nowhere_else(labs: Path) -> None:
    for place in ("moe/moe.py", "common/shared.py", "gnn/_presets.py", "gnn/gnn.py"):
        (labs / place).write_text("class Lab(dict): pass\n")
    assert Catalog("", dict, labs).names() == ["gnn", "moe"]
