"""Choosing points through Optuna: it finds a minimum that is known, equal questions have equal answers, and its journal loses nothing."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from engine.search.sampler import answer, rounded

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
Point = dict[str, Any]

LR = {"knob": "lr", "low": 1e-4, "high": 1.0, "scale": "log"}
DEPTH = {"knob": "depth", "low": 1, "high": 8, "scale": "linear"}
ROUTER = {"knob": "router", "values": ["hash", "free"], "scale": "list"}
RATE = {"knob": "router.rate", "low": 0.0, "high": 1.0, "scale": "linear", "only": {"router": ["free"]}}


def question(*space: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"space": list(space), "direction": "minimize", "seed": 0, "known": [], "many": 4, "file": None, **more}


def trained(points: list[Point], value: Callable[[Point], float | None]) -> list[dict[str, Any]]:
    return [{"point": point, "value": value(point)} for point in points]


def searched(rounds: int, value: Callable[[Point], float | None], *space: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    known: list[dict[str, Any]] = []
    for _ in range(rounds):
        known += trained(answer(question(*space, known=known, **more)), value)
    return known


def study(file: Path) -> optuna.Study:
    return optuna.load_study(study_name=file.parent.name, storage=JournalStorage(JournalFileBackend(str(file))))


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "s1").mkdir()
    return str(tmp_path / "s1" / "study.log")


def far(point: Point) -> float:
    """Powers of ten from the minimum at 0.02, and layers from the one at 6."""
    return abs(math.log10(point["lr"] / 0.02)) + abs(point["depth"] - 6)


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1), ("maximize", -1)])
def test_later_points_lie_nearer_to_the_best_and_none_comes_twice(direction: str, sign: int) -> None:
    known = searched(10, lambda point: sign * far(point), LR, DEPTH, direction=direction)
    away = [far(one["point"]) for one in known]
    assert statistics.median(away[-12:]) < 0.7 * statistics.median(away[:12])
    assert min(away) < 1.0
    assert len({tuple(sorted(one["point"].items())) for one in known}) == 40
    assert all(type(one["point"]["depth"]) is int and 1 <= one["point"]["depth"] <= 8 for one in known)


def test_what_diverged_is_avoided() -> None:
    known = searched(7, lambda point: math.inf if point["lr"] > 0.01 else abs(math.log10(point["lr"] / 0.001)), LR)
    diverged = [one["value"] == math.inf for one in known]
    assert sum(diverged[:12]) >= 4, "half of the range"
    assert sum(diverged[-12:]) <= 2


def test_equal_questions_have_equal_answers_with_and_without_a_journal(file: str) -> None:
    with_one, without = searched(4, far, LR, DEPTH, file=file), searched(4, far, LR, DEPTH)
    assert with_one == without
    assert searched(4, far, LR, DEPTH, seed=1) != without


def test_points_that_were_lost_on_the_way_to_their_runs_come_again(file: str) -> None:
    known = searched(3, far, LR, DEPTH, file=file)
    chosen = answer(question(LR, DEPTH, known=known, file=file))
    assert answer(question(LR, DEPTH, known=known, file=file)) == chosen
    assert answer(question(LR, DEPTH, known=known, file=file, seed=7)) == chosen, "they were chosen already"
    trials = study(Path(file)).trials
    assert [trial.params for trial in trials] == [*(one["point"] for one in known), *chosen]
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12 + ["RUNNING"] * 4
    assert [trial.value for trial in trials[:12]] == [one["value"] for one in known]
    later = answer(question(LR, DEPTH, known=[*known, *trained(chosen[:3], far)], file=file))
    assert chosen[3] not in later, "a rule of the lab refused it, for the others were trained"
    trials_now = study(Path(file)).trials
    assert len(trials_now) == 20
    assert (trials_now[15].params, trials_now[15].state.name) == (chosen[3], "FAIL")
    known += trained([*chosen[:3], *later], far)
    assert chosen[3] not in answer(question(LR, DEPTH, known=known, file=file))
    assert study(Path(file)).trials[0].datetime_start == trials[0].datetime_start


@pytest.mark.parametrize("content", [b"", b"no journal\n", b'{"op_code": 0}\n{"torn', None])
def test_a_journal_that_is_lost_or_spoilt_is_made_again(file: str, content: bytes | None) -> None:
    known = searched(3, far, LR, DEPTH, file=file)
    expected = answer(question(LR, DEPTH, known=known))
    Path(file).unlink()
    if content is not None:
        Path(file).write_bytes(content)
    assert answer(question(LR, DEPTH, known=known, file=file)) == expected
    assert len(study(Path(file)).trials) == 16


def test_a_value_that_has_changed_since_stands_in_the_journal(file: str) -> None:
    known = searched(2, lambda point: None, LR, file=file)
    answer(question(LR, known=known, many=0, file=file))
    assert {trial.state.name for trial in study(Path(file)).trials} == {"FAIL"}
    known = [{**one, "value": math.inf} for one in known]
    assert answer(question(LR, known=known, many=0, file=file)) == []
    assert {trial.value for trial in study(Path(file)).trials} == {math.inf}


def test_a_disk_that_takes_no_journal_takes_no_choice(file: str) -> None:
    Path(file).parent.rmdir()
    assert len(answer(question(LR, file=file))) == 4


def test_a_knob_of_an_answer_comes_with_that_answer_only() -> None:
    known = searched(4, lambda point: point.get("router.rate", 0.5) + (point["router"] == "hash"), RATE, ROUTER)
    assert {one["point"]["router"] for one in known} == {"hash", "free"}
    assert all(("router.rate" in one["point"]) == (one["point"]["router"] == "free") for one in known)


def test_a_small_space_is_tried_whole_and_then_nothing_comes() -> None:
    space = [{"knob": "a", "values": [1, 2, 3], "scale": "list"}, {"knob": "b", "values": [None, True], "scale": "list"}]
    known = searched(2, lambda point: point["a"], *space)
    pairs = {(one["point"]["a"], one["point"]["b"]) for one in known}
    assert pairs == set(itertools.product((1, 2, 3), (None, True)))
    assert answer(question(*space, known=known)) == []


@pytest.mark.parametrize(("value", "low", "high", "expected"), [
    (0.123456, 1e-4, 1.0, 0.1235),
    (0.9912345678, 0.99, 0.9999, 0.99123457),
    (1e-4, 1.00004e-4, 1.0, 1.00004e-4),
    (0.99999, 0.0, 0.99995, 0.99995),
    (-0.5004321, -1.0, 0.0, -0.5004),
])  # fmt: skip
def test_numbers_are_short_and_stay_within_their_range(value: float, low: float, high: float, expected: float) -> None:
    assert rounded(value, low, high) == expected
