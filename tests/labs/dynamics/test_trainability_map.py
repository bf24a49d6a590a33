"""The panels of the trainability map: tiles, the loss of one cell, what hostile questions get, and the tiles that are kept."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.declare.resolve import KnobError
from engine.labs.describe import describe_panels
from engine.labs.dynamics import _map_cache
from engine.labs.dynamics.models.descent import tile
from engine.labs.dynamics.panels.trainability_curve import TrainabilityCurve
from engine.labs.dynamics.panels.trainability_map import TrainabilityMap
from engine.labs.dynamics.trainability import Trainability
from engine.labs.panel_frames import encoded
from engine.server.panels import arguments

DOCUMENT = {"labs": [{"panels": describe_panels("trainability")}]}
QUICK = {"width": 4, "steps": 20}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    return tmp_path / "cache" / "maps"


def computed(**knobs: Any) -> dict[str, dict[str, list[Any]]]:
    return TrainabilityMap.model_validate({**QUICK, **knobs}).compute()


def test_tiles_side_by_side_are_the_whole_view() -> None:
    whole = computed(cells=8, tile=8)
    for column, row in ((0, 0), (1, 0), (1, 1)):
        part = computed(cells=8, tile=4, column=column, row=row)
        assert part["x"]["rate"] == whole["x"]["rate"][4 * column : 4 * column + 4]
        assert part["y"]["rate"] == whole["y"]["rate"][4 * row : 4 * row + 4]
        mine = np.reshape(whole["cells"]["value"], (8, 8))[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert part["cells"]["value"] == mine.ravel().tolist()


@pytest.mark.parametrize("axes", [("lr_in", "lr_out"), ("lr_out", "init_in"), ("init_out", "lr_in")])
@pytest.mark.parametrize("more", [{}, {"depth": 2, "warmup": 5, "lr": 0.5, "seed": 3, "lr_out": 7.0}])
def test_a_cell_is_the_training_with_its_numbers(axes: tuple[str, str], more: dict[str, Any]) -> None:
    x, y = axes
    frames = computed(x=x, y=y, centre_x=3.0, centre_y=5.0, decades_x=2.0, decades_y=3.0, cells=6, tile=6, **more)
    assert frames["x"]["rate"] == sorted(frames["x"]["rate"])
    for column, row in ((0, 0), (5, 1), (2, 4)):
        knobs = {**QUICK, **more, x: frames["x"]["rate"][column], y: frames["y"]["rate"][row]}
        lab = Trainability(**knobs)
        alone = tile(lab.rates(), lab.network(), lab.steps, lab.learning_rate)
        curve = TrainabilityCurve.model_validate(knobs).compute()
        value = frames["cells"]["value"][row * 6 + column]
        assert value == alone.value_N[0] == curve["cell"]["value"][0]
        assert curve["cell"]["verdict"] == ["diverged" if value > 1 else "trained"]
        assert repr(frames["cells"]["final"][row * 6 + column]) == repr(curve["curve"]["loss"][-1])


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"x": "lr_out"}, "x and y are both lr_out; choose two different ones."),
        ({"cells": 8, "tile": 16}, "A view of 8 cells on each side has no tile 0, 0 of 16; give smaller ones."),
        ({"cells": 256, "column": 16}, "has no tile 16, 0 of 16"),
        ({"cells": 32, "tile": 32, "steps": 1000, "width": 64, "depth": 8}, "would take too long with these settings; give 1 at most."),
        ({"decades_x": 1e-15}, "less than 8 roundings of a float64 apart"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        TrainabilityMap.model_validate(arguments(DOCUMENT, "trainability_map", knobs)).compute()
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_the_farthest_view_stays_within_what_a_run_may_have() -> None:
    assert max(computed(centre_x=1e8, decades_x=8.0, cells=256, tile=4, column=63)["x"]["rate"]) < 1e12


@pytest.mark.parametrize(
    "knobs",
    [
        {"x": "depth"},
        {"x": ["lr_in"]},
        {"x": {"is": "lr_in"}},
        {"centre_x": "nan"},
        {"centre_x": math.inf},
        {"centre_x": -1},
        {"centre_x": 1e300},
        {"decades_x": 0},
        {"decades_x": "1e-400"},
        {"cells": 257},
        {"cells": 2**70},
        {"cells": "16.5"},
        {"cells": None},
        {"tile": 33},
        {"steps": 10**9},
        {"width": 10**6},
        {"depth": -1},
        {"seed": "0; rm -rf"},
        {"seed": "1" * 4000},
        {"colour": "red"},
        {"lr": "1e5"},
        {"../../etc": "1"},
    ],
    ids=str,
)
def test_a_hostile_question_is_refused_in_one_sentence_before_anything_is_computed(knobs: dict[str, Any]) -> None:
    with pytest.raises(KnobError) as refused:
        arguments(DOCUMENT, "trainability_map", knobs)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith((".", "?"))


def test_a_number_that_travels_as_text_and_back_asks_for_the_same_rates() -> None:
    centre = 312.73100000000005
    there = json.loads(json.dumps({"centre_x": str(centre), "decades_x": "5e-06"}))
    assert computed(**arguments_of(there))["x"] == computed(**arguments_of({"centre_x": centre, "decades_x": 5e-6}))["x"]


def arguments_of(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments(DOCUMENT, "trainability_map", given).items() if name not in QUICK}


def test_what_is_no_number_travels_as_a_word() -> None:
    frames = computed(centre_y=1e7, decades_y=0.1, steps=200, cells=4, tile=4)
    told = json.loads(json.dumps(encoded(frames), allow_nan=False))["cells"]["final"]
    assert "NaN" in told


# -- tiles that are kept ---------------------------------------------------------------------------------


def test_a_tile_is_kept_and_read_again(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = computed()
    assert len(list(data.glob("*.npy"))) == 1
    monkeypatch.setattr("engine.labs.dynamics.models.descent.tile", None)
    assert repr(computed()) == repr(first)
    with pytest.raises(TypeError):
        computed(seed=1)


@pytest.mark.parametrize("spoil", [b"", b"\x93NUMPY", b"half of it" * 50])
def test_a_damaged_tile_is_computed_again(data: Path, spoil: bytes) -> None:
    first = computed()
    (path,) = data.glob("*.npy")
    path.write_bytes(spoil)
    assert repr(computed()) == repr(first)
    assert len(path.read_bytes()) > 600


def test_a_tile_of_another_shape_or_a_pickle_is_not_believed(data: Path) -> None:
    first = computed()
    (path,) = data.glob("*.npy")
    for spoil in (np.zeros((2, 3)), np.zeros((2, 256), dtype=np.float32), np.array([{"a": 1}], dtype=object)):
        np.save(path, spoil, allow_pickle=True)
        assert repr(computed()) == repr(first)


def test_the_oldest_tiles_make_room(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_map_cache, "MOST", 8)
    for n in range(8):
        _map_cache.write(str(n), np.zeros((2, 1)))
        for path in data.glob("*.npy"):
            os.utime(path, ns=(path.stat().st_mtime_ns - 10**9,) * 2)
    assert _map_cache.read("0") is not None, "reading makes it young"
    _map_cache.write("8", np.zeros((2, 1)))
    kept = {n for n in range(9) if _map_cache.read(str(n)) is not None}
    assert kept == {0, 4, 5, 6, 7, 8}
    assert not [path for path in data.iterdir() if path.suffix != ".npy"], "nothing half written is left"


def test_where_nothing_can_be_kept_the_answer_is_the_same(data: Path) -> None:
    first = computed()
    for path in data.glob("*.npy"):
        path.unlink()
    data.rmdir()
    data.write_text("a file in the place of the folder")
    assert repr(computed()) == repr(first)
