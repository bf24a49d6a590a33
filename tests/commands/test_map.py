"""`map`: the trainability map as JSON and in letters, and one sentence for everything that is no map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import engine.__main__ as command_line
from engine.commands import _map_tiles
from engine.commands import map as verb
from engine.core.catalog import Catalog
from engine.labs.describe import entry
from engine.labs.lab import Lab
from engine.labs.panel import panel
from engine.labs.panel_frames import encoded

DOCUMENT: dict[str, Any] = {"labs": [entry(name, Catalog("", Lab)[name]) for name in ("moe", "trainability")], "errors": []}


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are computed in this process."""

    def compute(name: str, knobs: dict[str, Any]) -> dict[str, Any]:
        try:
            return json.loads(json.dumps({"frames": encoded(panel(name).model_validate(knobs).compute())}))
        except ValueError as error:
            return {"says": str(error), "trace": ""}

    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    monkeypatch.setattr(verb, "catalog", lambda: DOCUMENT)
    monkeypatch.setattr(_map_tiles, "in_a_plain_process", compute)


def answered(*words: str) -> int:
    return command_line.main(["map", *words])


SMALL = ("trainability", "lr_in=1..1e4", "lr_out=1..1e3", "width=4", "steps=20", "--cells", "8")


def test_every_cell_has_value_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert answered(*SMALL, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["map"] is None
    assert told["axes"]["x"] == {"knob": "lr_in", "low": 1.0, "high": 10000.0, "scale": "log"}
    assert told["axes"]["y"]["knob"] == "lr_out"
    assert len(told["cells"]) == 64
    for cell in told["cells"]:
        assert set(cell) == {"x", "y", "n", "diverged", "final", "runs", "value", "verdict"}
        assert cell["verdict"] == ("diverged" if cell["value"] > 1 else "trained")
        assert (cell["n"], cell["diverged"]) == (1, cell["value"] > 1)
    assert {cell["verdict"] for cell in told["cells"]} == {"trained", "diverged"}
    assert told["cells"][1]["x"] > told["cells"][0]["x"]
    assert told["cells"][8]["y"] > told["cells"][0]["y"]
    assert 1.0 < told["cells"][0]["x"] < 10 ** (4 / 8)


def test_many_tiles_are_one_map(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answered(*SMALL, "--json")
    one = capsys.readouterr().out
    monkeypatch.setattr(_map_tiles, "SIDE", 2)
    answered(*SMALL, "--json")
    assert capsys.readouterr().out == one


def test_several_seeds_stand_behind_a_cell(capsys: pytest.CaptureFixture[str]) -> None:
    parts = []
    for seed in ("seed=0", "seed=1", "seed=2", "seed=0..2"):
        assert answered(*SMALL, seed, "--json") == 0
        parts.append(json.loads(capsys.readouterr().out)["cells"])
    *single, together = parts
    for n, cell in enumerate(together):
        values = sorted(one[n]["value"] for one in single)
        assert (cell["n"], cell["value"]) == (3, values[1])
        assert cell["diverged"] == sum(value > 1 for value in values)


def test_for_a_person_it_is_drawn_with_the_largest_rate_on_top(capsys: pytest.CaptureFixture[str]) -> None:
    assert answered(*SMALL) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("lr_out from 1000 (top) to 1, lr_in from 1 (left) to 10000")
    assert len(rows) == 8
    assert rows[0] == "#" * 8
    assert rows[-1].startswith("..")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["moe", "lr=1e-4..1", "router=hash..base"], 2, 'answer to router "hash..base"'),
        (["trainability", "lr_in=1..2", "lr_out=1..2", "--refine", "2"], 2, "--refine is of a map whose cells are trained"),
        (["trainabilty", "lr_in=1..2", "lr_out=1..2"], 5, 'did you mean "trainability"?'),
        (["trainability"], 2, "A map has two knobs with a range, and 0 were given; write lr_in=1..1e4 lr_out=1..1e3 for example."),
        (["trainability", "lr_in=1..2"], 2, "and 1 were given"),
        (["trainability", "lr_in=1..2", "lr_out=1..2", "init_in=1..2"], 2, "and 3 were given"),
        (["trainability", "lr_in=5..2", "lr_out=1..2"], 2, "lr_in=5..2 does not grow; give the smaller end first."),
        (["trainability", "lr_in=0..2", "lr_out=1..2"], 2, "lr_in has the end '0', which is no number above 0"),
        (["trainability", "lr_in=nan..2", "lr_out=1..2"], 2, "no number above 0"),
        (["trainability", "lr_in=1..inf", "lr_out=1..2"], 2, "no number above 0"),
        (["trainability", "lr_in=1..2..3", "lr_out=1..2"], 2, "no number above 0"),
        (["trainability", "lr_in=1..1e30", "lr_out=1..2"], 2, "out of bounds"),
        (["trainability", "depth=1..3", "lr_out=1..2"], 2, 'No value of x "depth"'),
        (["trainability", "lr_in=1..2", "lr_out=1..2", "seed=many"], 2, "seed=many is not a number"),
        (["trainability", "lr_in=1..2", "lr_out=1..2", "seed=3..1"], 2, "give the smaller end first"),
        (["trainability", "lr_in=1..2", "lr_out=1..2", "seed=0..40"], 2, "at most 32 are allowed"),
        (["trainability", "lr_in=1..2", "lr_out=1..2", "width=4000"], 2, "width=4000 is out of bounds"),
        (["trainability", "lr_in=1..2", "lr_out=1..2", "nonsense"], 2, '"nonsense" is not KNOB=VALUE'),
        (["trainability", "lr_in=1..2", "lr_in=1..3"], 2, "was given twice"),
        (["trainability", "lr_in=1..1.00000000000001", "lr_out=1..2"], 2, "less than 8 roundings"),
        (["trainability", "lr_in=1..2", "lr_out=1..2", "--cells", "17"], 2, "--cells=17 is not a power of two from 4 to 256"),
        (["trainability", "lr_in=1..2", "lr_out=1..2", "--cells", "many"], 2, "many"),
    ],
)
def test_what_is_no_map_is_one_sentence(words: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answered(*words, "--json") == code
    told = capsys.readouterr()
    assert told.out == ""
    assert sentence in told.err
    assert len(told.err.splitlines()) == 1


def test_settings_that_take_longer_come_in_smaller_tiles(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []
    compute = _map_tiles.in_a_plain_process

    def watched(name: str, knobs: dict[str, Any]) -> dict[str, Any]:
        sides.append(knobs["tile"])
        return compute(name, knobs)

    monkeypatch.setattr(_map_tiles, "in_a_plain_process", watched)
    words = ("trainability", "lr_in=1..1e4", "lr_out=1..1e3", "width=64", "steps=1000", "--cells", "4", "--json")
    assert answered(*words) == 0
    assert sides == [4, 2, 2, 2, 2]
    capsys.readouterr()
